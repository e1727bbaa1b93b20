package resources

import (
	"context"
	"net/url"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
	"github.com/run402/functions-mcp/core/wire"
)

// entry is one table of run402://tables.
type entry struct {
	Name    string   `json:"name"`
	URI     string   `json:"uri"`
	Columns []string `json:"columns"`
}

func (s *Set) tables(ctx context.Context, c auth.Caller, _ mcp.ReadResourceRequest) (any, error) {
	return s.entries(ctx, c)
}

func (s *Set) entries(ctx context.Context, c auth.Caller) ([]entry, error) {
	list := []entry{}
	if !s.o.CallerPlane {
		schema, err := s.o.Client.Admin().Schema(ctx)
		for _, t := range schema.Tables {
			e := entry{Name: t.Name, URI: uriOf(t.Name)}
			for _, column := range t.Columns {
				e.Columns = append(e.Columns, column.Name+" "+column.Type)
			}
			list = append(list, e)
		}
		return list, err
	}
	all, err := s.o.Client.DB(c.Token).Tables(ctx)
	for _, t := range all {
		e := entry{Name: t.Name, URI: uriOf(t.Name)}
		for _, column := range t.Columns {
			e.Columns = append(e.Columns, column.Name+" "+column.Type)
		}
		list = append(list, e)
	}
	return list, err
}

func uriOf(table string) string { return tablesURI + "/" + url.PathEscape(table) }

// table is what the caller may see of one, and beside it what an operator may.
type table struct {
	core.TableInfo
	RLSEnabled *bool         `json:"rls_enabled,omitempty"`
	Policies   []wire.Policy `json:"policies,omitempty"`
}

func (s *Set) table(ctx context.Context, c auth.Caller, req mcp.ReadResourceRequest) (any, error) {
	name := tableName(req)
	if !s.o.CallerPlane {
		t, err := s.adminTable(ctx, name)
		if err == nil && t == nil {
			err = errNotFound
		}
		return t, err
	}
	all, err := s.o.Client.DB(c.Token).Tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, info := range all {
		if info.Name != name {
			continue
		}
		out := table{TableInfo: info}
		if !s.o.Admin {
			return out, nil
		}
		t, err := s.adminTable(ctx, name)
		if t != nil {
			out.RLSEnabled, out.Policies = &t.RLSEnabled, t.Policies
		}
		return out, err
	}
	return nil, errNotFound
}

// adminTable returns the table as the service role sees it, or nil when there is none.
func (s *Set) adminTable(ctx context.Context, name string) (*wire.Table, error) {
	schema, err := s.o.Client.Admin().Schema(ctx)
	for i := range schema.Tables {
		if schema.Tables[i].Name == name {
			return &schema.Tables[i], nil
		}
	}
	return nil, err
}

// tableName is the last part of the URI. (mcp-go's template argument is the same, but as a list.)
func tableName(req mcp.ReadResourceRequest) string {
	escaped := strings.TrimPrefix(req.Params.URI, tablesURI+"/")
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	return name
}

// CompleteResourceArgument completes the table of run402://tables/{table} with names that the caller may see. It
// answers nothing, rather than an error, when they cannot be had: completion is a convenience.
func (s *Set) CompleteResourceArgument(
	ctx context.Context, uri string, argument mcp.CompleteArgument, _ mcp.CompleteContext,
) (completion *mcp.Completion, _ error) {
	const most = 100 // of the protocol
	completion = &mcp.Completion{Values: []string{}}
	if uri != tableURI || argument.Name != "table" {
		return completion, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			_ = s.unforeseen(ctx, "completion panicked", r, "")
		}
	}()
	c, err := s.o.Callers(ctx)
	if err != nil {
		return completion, nil
	}
	all, err := s.entries(ctx, c)
	if err != nil {
		return completion, nil
	}
	for _, e := range all {
		if !strings.HasPrefix(strings.ToLower(e.Name), strings.ToLower(argument.Value)) {
			continue
		}
		if completion.Total++; len(completion.Values) < most {
			completion.Values = append(completion.Values, s.visible(e.Name))
		}
	}
	completion.HasMore = completion.Total > len(completion.Values)
	return completion, nil
}
