package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// Confirm is how far the operator lets a call go that would touch a whole table, more than 100 rows or more than its
// own max_rows, or drop or truncate something. Such a call is undone first and answered with what it would have done.
type Confirm string

// The settings, from what asks to what does not.
const (
	// ConfirmToken asks the person through the client; where that cannot be, the agent is to ask, and to repeat the
	// call with the confirm_token it got. The default.
	ConfirmToken Confirm = "token"
	// ConfirmElicit asks through the client, and refuses where the client cannot ask.
	ConfirmElicit Confirm = "elicit"
	// ConfirmDeny refuses.
	ConfirmDeny Confirm = "deny"
	// ConfirmOff asks nothing: a call goes as far as its own max_rows, and SQL may drop and truncate.
	ConfirmOff Confirm = "off"
)

// Confirms lists the settings.
func Confirms() []Confirm { return []Confirm{ConfirmToken, ConfirmElicit, ConfirmDeny, ConfirmOff} }

// ParseConfirm reads a setting; an empty text is the default.
func ParseConfirm(text string) (Confirm, error) {
	if text == "" {
		return ConfirmToken, nil
	}
	if c := Confirm(text); slices.Contains(Confirms(), c) {
		return c, nil
	}
	return "", fmt.Errorf("there is no way to confirm named %q: choose from %v", text, Confirms())
}

const (
	freeRows = 100           // that a call may touch without being confirmed
	anyRows  = math.MaxInt64 // of a grant where the backend cannot count
)

// confirmable is embedded in the arguments of a tool that may have to be confirmed.
type confirmable struct {
	ConfirmToken string `json:"confirm_token" doc:"From a refused call, if the person agreed"`
}

// take returns the token and leaves the arguments as they were when it was made.
func (c *confirmable) take() string {
	token := c.ConfirmToken
	c.ConfirmToken = ""
	return token
}

// confirmation is what is confirmed of one call. It is in the call's context.
type confirmation struct {
	set     *Set
	tool    string
	caller  auth.Caller
	request mcp.CallToolParams
	subject [sha256.Size]byte // zero for a tool that needs none
	grant   *grant
	how     string // "token", "elicitation"; for the audit
}

type confirmationKey struct{}

// admit takes the proof that came with a call, if there is one. The arguments are those that were decoded, without the
// token, so that another spelling of the same call is the same call.
func (c *confirmation) admit(token string, arguments any) error {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return fmt.Errorf("encode arguments: %w", err)
	}
	before, who := c.subject, c.caller
	c.subject = subject(c.tool, who.ID, who.Role, who.ProjectID, strconv.FormatBool(who.Verified), string(raw))
	if c.grant != nil && c.subject == before { // the person has just been asked
		return nil
	}
	c.grant, c.how = nil, ""
	mode, now := c.set.o.Confirm, c.set.now()
	switch answered := c.request.RequestState != "" || len(c.request.InputResponses) > 0; {
	case answered && (mode == ConfirmToken || mode == ConfirmElicit):
		g, err := c.set.states.open(c.request.RequestState, c.subject, now)
		if err != nil {
			return notConfirmed("the answer cannot be taken: " + err.Error())
		}
		if err := judge(server.ElicitationResponse(c.request.InputResponses, answerKey)); err != nil {
			return err
		}
		c.grant, c.how = &g, "elicitation"
	case token != "" && mode == ConfirmToken:
		g, err := c.set.tokens.open(token, c.subject, now)
		if err != nil {
			return notConfirmed("the confirm_token cannot be taken: " + err.Error())
		}
		c.grant, c.how = &g, "token"
	case token != "" && mode != ConfirmOff:
		return notConfirmed("this server takes no confirm_token")
	}
	return nil
}

func notConfirmed(why string) error {
	return &failure{
		Code: codeNotConfirmed, Message: why, MutationState: "not_started",
		NextStep: "Repeat the call as it was first, to be asked again.",
	}
}

// subject is a digest of parts that none of them can shift into another.
func subject(parts ...string) [sha256.Size]byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

// confirmationOf returns what run put into the context of a call.
func confirmationOf(ctx context.Context) *confirmation {
	c, _ := ctx.Value(confirmationKey{}).(*confirmation)
	return c
}

// granted is what the call of a context was granted, or nil.
func granted(ctx context.Context) *grant { return confirmationOf(ctx).grant }

// bound is how many rows a call may touch that asks for so many. A call may narrow what is free, never widen it; the
// whole of a table is never free.
func (s *Set) bound(ctx context.Context, asked int, wholeTable bool) int {
	if s.o.Confirm == ConfirmOff {
		return asked
	}
	free := min(asked, freeRows)
	if wholeTable {
		free = 0
	}
	if g := granted(ctx); g != nil {
		return int(max(int64(free), g.rows))
	}
	return free
}

// question is why a call cannot go on unless it is confirmed. It is an error that a tool may return.
type question struct {
	does     string // after "would"
	grant    grant
	destroys []string
	state    string // of the mutation
	trace    string
}

func (q *question) Error() string { return "not confirmed" }

// question returns what has to be asked after a call ended with err; nil when that is no question, or nothing is asked.
func (s *Set) question(c *confirmation, target string, err error) *question {
	if s.o.Confirm == ConfirmOff || c.subject == [sha256.Size]byte{} {
		return nil
	}
	if q, ok := errors.AsType[*question](err); ok {
		return q
	}
	remote, ok := errors.AsType[*core.Error](err)
	if !ok {
		return nil
	}
	q := &question{state: orElse(remote.MutationState, "rolled_back"), trace: remote.TraceID}
	if d, ok := remote.Destruction(); ok && unhex(d.Digest) != nil && len(d.Destroys) > 0 {
		q.grant, q.destroys = grant{rows: d.Affected, destroy: d.Digest}, d.Destroys
		if d.More > 0 {
			q.destroys = append(slices.Clone(d.Destroys), fmt.Sprintf("and %d more", d.More))
		}
		q.does = strings.Join(q.destroys, ", ")
		if d.Affected > 0 {
			q.does += ", and change " + countRows(d.Affected)
		}
		return q
	}
	if n, ok := remote.MaxAffected(); ok && n > 0 {
		q.grant, q.does = grant{rows: n}, "touch "+countRows(n)
		if target != "" {
			q.does += " of " + target
		}
		return q
	}
	return nil
}

func countRows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return strconv.FormatInt(n, 10) + " rows"
}

// ask has a question answered the best way that the operator allows and the client can, and goes on with the call when
// the answer is there at once.
func (s *Set) ask(ctx context.Context, t *tool, c *confirmation, q *question, ev *Event) (*mcp.CallToolResult, error) {
	if s.o.Confirm == ConfirmDeny {
		return nil, q.refused(t, "The operator lets no such call through (--confirm=deny): touch less.")
	}
	switch askingOf(ctx) {
	case inTwoCalls:
		ev.Outcome = codeInputRequired
		return server.NewInputRequestBuilder(s.states.seal(q.grant, c.subject, s.now())).
			Elicit(answerKey, form(q.text(t, c.request))).ToolResult(), nil
	case inACall:
		answer, err := s.elicit(ctx, q.text(t, c.request))
		if err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("ask: %w", ctx.Err())
			}
			break // it said that it could ask, and did not
		}
		if err := judge(answer); err != nil {
			return nil, err
		}
		c.grant, c.how = &q.grant, "elicitation"
		out, err := s.run(ctx, t, c, ev)
		if more, ok := errors.AsType[*question](err); ok {
			err = more.refused(t, "That is more than was confirmed: repeat the call, to be asked again.")
		}
		return out, err
	}
	if s.o.Confirm == ConfirmElicit {
		return nil, q.refused(t, "The operator wants a person asked by the client (--confirm=elicit), which this one "+
			"did not do: touch less, or use a client that can.")
	}
	f := q.refused(t, "Ask the person whether that is meant. Only if they agree, repeat exactly this call with this "+
		"confirm_token within 5 minutes.")
	f.Code, f.ConfirmToken = codeConfirm, s.tokens.seal(q.grant, c.subject, s.now())
	return nil, f
}

// refused is the answer to a call that is not confirmed.
func (q *question) refused(t *tool, next string) *failure {
	return &failure{
		Code: codeConfirmDenied, Message: t.name + " would " + q.does + ". It was not done.", Destroys: q.destroys,
		NextStep: next, MutationState: q.state, TraceID: q.trace,
	}
}

// text is the question as a person reads it, with what the agent sent, so that nothing hides in it.
func (q *question) text(t *tool, request mcp.CallToolParams) string {
	const most = 2000
	var compact bytes.Buffer
	arguments := request.RawArguments
	if json.Compact(&compact, arguments) == nil {
		arguments = compact.Bytes()
	}
	shown := string(arguments)
	if r := []rune(shown); len(r) > most {
		shown = string(r[:most]) + "… (" + strconv.Itoa(len(r)-most) + " characters more)"
	}
	return visible("Let " + t.name + " " + q.does + "?\n\n" + shown)
}

// visible is a text without invisible characters.
func visible(text string) string {
	cleaned, dirty := clean(quote(text))
	if !dirty {
		return text
	}
	return scalarText(cleaned)
}

// newConfirmation begins the confirmation of one call.
func (s *Set) newConfirmation(t *tool, req mcp.CallToolRequest) *confirmation {
	params := req.Params
	params.RawArguments = rawArguments(req)
	return &confirmation{set: s, tool: t.name, request: params}
}

// prepareConfirm makes the keys; Options.Secret says of what.
func (s *Set) prepareConfirm() (err error) {
	if s.o.Confirm, err = ParseConfirm(string(s.o.Confirm)); err != nil {
		return fmt.Errorf("tools: %w", err)
	}
	s.now = time.Now
	if s.tokens, err = newSealer(s.o.Secret, "confirm token"); err != nil {
		return fmt.Errorf("tools: %w", err)
	}
	if s.states, err = newSealer(s.o.Secret, "elicitation"); err != nil {
		return fmt.Errorf("tools: %w", err)
	}
	return nil
}
