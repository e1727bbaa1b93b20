package ai

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Server is an OpenAI-compatible server: OpenAI itself, or one that speaks as it does (Ollama, llama.cpp, vLLM, …). Its
// client is the official one, of which only services are made: the whole client would take settings, and keys, from
// variables that are not ours.
type Server struct {
	chat        openai.ChatCompletionService
	moderations openai.ModerationService
	images      openai.ImageService
	models      openai.ModelService
}

// maxAnswer bounds an answer: an image as base64, and room.
const maxAnswer = 32 << 20

// NewServer returns the server at a base URL, such as https://api.openai.com/v1. The key may be empty.
func NewServer(baseURL, key string) *Server {
	opts := []option.RequestOption{
		option.WithBaseURL(baseURL), option.WithMaxRetries(0), // retry does it, and knows how much time is left
		option.WithHTTPClient(&http.Client{Transport: boundedTransport{http.DefaultTransport}}),
	}
	if key != "" {
		opts = append(opts, option.WithAPIKey(key))
	}
	return &Server{
		chat: openai.NewChatCompletionService(opts...), moderations: openai.NewModerationService(opts...),
		images: openai.NewImageService(opts...), models: openai.NewModelService(opts...),
	}
}

// boundedTransport reads no more of an answer than can be one, and tells a connection that broke from a bad answer. A
// redirect could lead a key, or a text, to a server that nobody named.
type boundedTransport struct{ http.RoundTripper }

var errRedirect = errors.New("the server redirects")

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		_ = res.Body.Close() // it is not read
		return nil, errRedirect
	}
	res.Body = wholeBody{http.MaxBytesReader(nil, res.Body, maxAnswer)}
	return res, nil
}

// brokenError says that an answer did not come to its end.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

type wholeBody struct{ io.ReadCloser }

func (b wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, new(*http.MaxBytesError)) {
		err = brokenError{err}
	}
	return n, err
}

// Models lists the models that the server says it has. It sends no text of anybody's.
func (s *Server) Models(ctx context.Context) ([]string, error) {
	page, err := retry(ctx, func() (*[]string, error) {
		page, err := s.models.List(ctx)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, m := range page.Data {
			names = append(names, m.ID)
		}
		slices.Sort(names)
		return &names, nil
	})
	if err != nil {
		return nil, err
	}
	return *page, nil
}

// Retries: at most three tries, while there is time.
const (
	maxTries   = 3
	firstPause = 500 * time.Millisecond
)

// retry calls a server, and again after 429 and 5xx, when it says or after a pause. The error is a *Failure.
func retry[Out any](ctx context.Context, call func() (*Out, error)) (*Out, error) {
	var failed *Failure
	pause := &backoff.ExponentialBackOff{
		InitialInterval: firstPause, RandomizationFactor: 0.2, Multiplier: 3, MaxInterval: 10 * time.Second,
	}
	out, err := backoff.Retry(ctx, func() (*Out, error) {
		out, err := call()
		if err == nil {
			return out, nil
		}
		failed = failureOf(err)
		wait := time.Duration(failed.RetryAfter) * time.Second
		deadline, bounded := ctx.Deadline()
		switch {
		case !failed.again, bounded && time.Until(deadline) <= wait:
			return nil, backoff.Permanent(failed)
		case wait > 0:
			return nil, backoff.RetryAfter(failed.RetryAfter)
		}
		return nil, failed
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(maxTries))
	switch {
	case err == nil:
		return out, nil
	case failed == nil:
		return nil, &Failure{Cause: CauseTimeout, Err: err}
	}
	return nil, failed // what the server said last is worth more than that the time is up
}

// failureOf says what went wrong, in our words.
func failureOf(err error) *Failure {
	said, ok := errors.AsType[*openai.Error](err)
	if !ok {
		op, network := errors.AsType[*net.OpError](err)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return &Failure{Cause: CauseTimeout, Err: err}
		case errors.Is(err, errRedirect):
			return &Failure{Cause: CauseRejected, Text: "it redirects elsewhere, and nothing is sent there", Err: err}
		case network, errors.As(err, new(brokenError)), errors.As(err, new(*url.Error)):
			return &Failure{Cause: CauseDown, Err: err, again: network && op.Op == "dial"}
		}
		return &Failure{Cause: CauseAnswer, Text: "it is not the JSON of an OpenAI-compatible server", Err: err}
	}
	f := &Failure{Cause: CauseRejected, status: said.StatusCode}
	if said.Response != nil {
		f.RetryAfter = retryAfter(said.Response.Header.Get("Retry-After"))
	}
	code := said.Code
	if code == "" {
		code = said.Type
	}
	switch {
	case slices.Contains([]string{"content_policy_violation", "moderation_blocked", "content_filter"}, said.Code):
		f.Cause = CauseContent
	case said.StatusCode == http.StatusUnauthorized, said.StatusCode == http.StatusForbidden:
		f.Cause = CauseAccess
	case said.StatusCode == http.StatusTooManyRequests:
		f.Cause, f.again = CauseLimited, said.Code != "insufficient_quota"
	case said.StatusCode == http.StatusRequestTimeout, said.StatusCode == http.StatusConflict, said.StatusCode >= 500:
		f.Cause, f.again = CauseDown, said.StatusCode != http.StatusNotImplemented
	}
	f.Text = "status " + strconv.Itoa(said.StatusCode)
	if word.MatchString(code) {
		f.Text += ", " + code
	}
	if word.MatchString(said.Param) {
		f.Text += ", about " + said.Param
	}
	return f
}

// word is a code as OpenAI's are. Anything else that a server says is not repeated: it may quote prompts and keys.
var word = regexp.MustCompile(`^[a-z][a-z_.]{1,40}$`)

// retryAfter reads seconds or a date; 0 is neither, and a server that asks for more than a day is not waited for.
func retryAfter(text string) int {
	const most = 24 * 60 * 60
	if n, err := strconv.Atoi(text); err == nil {
		return min(max(n, 0), most)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(int(time.Until(at).Seconds()+1), 0), most)
	}
	return 0
}
