package tools

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/run402/functions-mcp/auth"
)

// opens reports whether a tool exists on this server. Over HTTP everyone who reaches the port is a caller: there,
// beyond the toolset data, only what a gate names is open ("*" names nothing), and what is the operator's needs a role.
func (s *Set) opens(t *tool) (bool, error) {
	if len(s.o.Toolsets) > 0 && !slices.Contains(s.o.Toolsets, t.toolset) && t.plane != planeNone {
		return false, nil
	}
	if !s.o.Shared || t.toolset == ToolsetData {
		return true, nil
	}
	name := t.name
	if !s.o.Gates.Opens(name) {
		name = t.toolset
	}
	if !s.o.Gates.Opens(name) {
		return false, nil
	}
	if (t.plane == planeAdmin || t.needsRole) && s.gate(t).RequireRole == nil {
		return false, s.o.Gates.Wrong(name, "over HTTP everyone who can reach the port is a caller, and "+t.name+
			" is the operator's unless a role allows it: want a requireRole")
	}
	return true, nil
}

// gate is what a caller of a tool must pass. Who may call anything may ask who they are, unless the gate is its own.
func (s *Set) gate(t *tool) auth.Gate {
	if t.plane == planeNone && !s.o.Gates.Opens(t.name) {
		return auth.Gate{}
	}
	return s.o.Gates.For(t.name, t.toolset)
}

// checkGates refuses gates for what is not among every tool that there can be, and toolsets over HTTP that no gate
// opens.
func (s *Set) checkGates(every []*tool) error {
	if _, _, roles := s.o.Gates.Roles(); roles && s.o.Gatekeeper == nil {
		return errors.New("tools: gates that ask for roles need a gatekeeper")
	}
	valid := append([]string{"*"}, Toolsets()...)
	for _, t := range every {
		valid = append(valid, t.name)
	}
	var errs []error
	for _, name := range s.o.Gates.Names() {
		if !slices.Contains(valid, name) {
			errs = append(errs, s.o.Gates.Wrong(name, "there is no tool or toolset of this name: choose from "+
				strings.Join(valid, ", ")))
		}
	}
	for _, toolset := range s.o.Toolsets {
		opened := !s.o.Shared || toolset == ToolsetData || s.o.Gates.Opens(toolset)
		for _, t := range every {
			opened = opened || t.toolset == toolset && s.o.Gates.Opens(t.name)
		}
		if !opened {
			errs = append(errs, &ClosedError{toolset})
		}
	}
	return errors.Join(errs...)
}

// ClosedError says that a toolset was asked for over HTTP which no gate opens.
type ClosedError struct{ Toolset string }

// Error says what to do.
func (e *ClosedError) Error() string {
	return fmt.Sprintf("the toolset %s is served over HTTP only behind a gate, since everyone who can reach the port is "+
		"a caller: name it, or the tools of it that are meant, in a gates file (--gates); leave it out, or use stdio",
		e.Toolset)
}

// admit lets a caller pass the gate of a tool, or says why not.
func (s *Set) admit(ctx context.Context, t *tool, c auth.Caller) error {
	gate := s.gate(t)
	if gate.Open() {
		return nil
	}
	_, err := s.gatekeeper().Pass(ctx, gate, c)
	refusal, ok := errors.AsType[*auth.Refusal](err)
	if !ok {
		return err
	}
	e := refusal.Envelope
	f := &failure{
		Code: e.Code, Message: e.Message, AllowedRoles: e.AllowedRoles, Retryable: e.Retryable, RetryAfter: e.RetryAfter,
		MutationState: "not_started",
	}
	switch refusal.Status {
	case http.StatusUnauthorized:
		f.Message = t.name + " is for people who signed in"
		f.NextStep = "Ask the person to sign in: their token is the bearer over HTTP, RUN402_USER_TOKEN on stdio."
	case http.StatusForbidden:
		f.Message = "the caller's role in this application does not allow " + t.name
		f.NextStep = "Do without it, or tell the person that somebody with an allowed role must do this."
	default:
		s.o.Log.WarnContext(ctx, "a gate could not decide", "tool", t.name, "err", refusal.Cause)
	}
	return gateRefusal{f}
}

// gateRefusal is a failure that says what to do: the same codes from a backend are about its keys.
type gateRefusal struct{ *failure }

func (g gateRefusal) Unwrap() error { return g.failure }

// gatekeeper is for gates that ask for no role, too, which need nobody to look one up.
func (s *Set) gatekeeper() *auth.Gatekeeper {
	if s.o.Gatekeeper == nil {
		return auth.NewGatekeeper(nil)
	}
	return s.o.Gatekeeper
}

// standing is what the gates make of one caller, for showing.
type standing struct {
	role    string // in the application
	found   bool
	unknown bool // it could not be read
}

func (s *Set) standing(ctx context.Context, c auth.Caller) standing {
	src, ttl, ok := s.o.Gates.Roles()
	if !ok || c.Anonymous() || !c.Verified || c.ID == "" {
		return standing{}
	}
	role, found, err := s.gatekeeper().Role(ctx, src, ttl, c)
	return standing{role, found, err != nil}
}

// visible are the tools that a caller may use, perhaps after having signed in.
func (s *Set) visible(c auth.Caller, as standing) []*tool {
	out := make([]*tool, 0, len(s.tools))
	for _, t := range s.tools {
		if as.unknown || auth.MayPass(s.gate(t), c, as.role, as.found) {
			out = append(out, t)
		}
	}
	return out
}

// hide takes out of a list of tools what its caller may never use. It is not one of mcp-go's filters, which would
// answer a call as if there were no such tool: whoever lost a role is told so.
func (s *Set) hide(ctx context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	c, err := s.o.Callers(ctx)
	if err != nil { // each call will say why
		return
	}
	may := s.visible(c, s.standing(ctx, c))
	result.Tools = slices.DeleteFunc(result.Tools, func(listed mcp.Tool) bool {
		return s.has(listed.Name) && !slices.ContainsFunc(may, func(t *tool) bool { return t.name == listed.Name })
	})
}
