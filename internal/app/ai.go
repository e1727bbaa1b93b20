package app

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/run402/functions-mcp/config"
	"github.com/run402/functions-mcp/gateway/ai"
)

// aiSettings are the operator's, for a backend that is a gateway of this program.
func aiSettings(b config.Backend) config.AI {
	switch b := b.(type) {
	case config.Local:
		return b.AI
	case config.Database:
		return b.AI
	}
	return config.AI{}
}

// aiServer is the server that the operator named, or nil.
func aiServer(s config.AI) *ai.Server {
	if s.BaseURL == "" {
		return nil
	}
	return ai.NewServer(s.BaseURL, s.APIKey.Reveal())
}

// aiOptions chooses who does what: what the operator named, and for translation Apertium where nothing is.
func aiOptions(b config.Backend) ai.Options {
	s := aiSettings(b)
	opts := ai.Options{Words: s.Words, Images: s.Images}
	server := aiServer(s)
	switch apertium := ai.FindApertium(); {
	case s.TranslateModel != "":
		opts.Translator = server.Translator(s.TranslateModel)
	case apertium != nil:
		opts.Translator = apertium
	}
	switch {
	case s.Wordlist:
		opts.Moderator = ai.Wordlist{}
	case server != nil:
		opts.Moderator = server.Moderator(s.ModerateModel, s.TranslateModel)
	}
	switch {
	case s.Placeholder:
		opts.Painter = ai.Placeholder{}
	case s.ImageModel != "":
		opts.Painter = server.Painter(s.ImageModel)
	}
	return opts
}

// ai says who does what, and what would do the rest. Nothing is sent to a server that nobody named.
func (r *report) ai(ctx context.Context, b config.Backend) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	opts := aiOptions(b)
	switch t := opts.Translator.(type) {
	case nil:
		r.good("translate", "nothing to do it with; install Debian's apertium and a pair such as apertium-eng-spa")
	case *ai.Apertium:
		pairs, err := t.Pairs(ctx)
		switch {
		case err != nil:
			r.bad("translate", fmt.Errorf("%w: reinstall apertium", err))
		case len(pairs) == 0:
			r.good("translate", "apertium is installed without a pair of languages; install one such as apertium-eng-spa")
		default:
			r.good("translate", "apertium, "+strings.Join(pairs, " "))
		}
	default:
		r.good("translate", t.Name())
	}
	if opts.Moderator == nil {
		r.good("moderate", "nothing to do it with; RUN402_AI_BASE_URL names a server, "+
			"RUN402_AI_MODERATE=wordlist a list of words")
	} else {
		r.good("moderate", opts.Moderator.Name())
	}
	if opts.Painter == nil {
		r.good("images", "nothing to make them with; RUN402_AI_BASE_URL and RUN402_AI_IMAGE_MODEL name a server's model")
	} else {
		r.good("images", opts.Painter.Name())
	}
	settings := aiSettings(b)
	server := aiServer(settings)
	if server == nil {
		r.localModels(ctx)
		return
	}
	models, err := server.Models(ctx)
	if err != nil {
		r.bad("ai server", fmt.Errorf("%w: check RUN402_AI_BASE_URL and RUN402_AI_API_KEY", err))
		return
	}
	r.good("ai server", fmt.Sprintf("answers, with %d models", len(models)))
	for name, model := range map[string]string{
		"TRANSLATE": settings.TranslateModel, "MODERATE": settings.ModerateModel, "IMAGE": settings.ImageModel,
	} {
		if model != "" && !slices.Contains(models, model) {
			r.note("ai server", "does not list RUN402_AI_"+name+"_MODEL, "+model)
		}
	}
}

// ollama is where it listens unless it is told otherwise.
const ollama = "127.0.0.1:11434"

// localModels notices a server of models on this machine. It connects, and says nothing.
func (r *report) localModels(ctx context.Context) {
	const use = "; to use it set RUN402_AI_BASE_URL=%s and RUN402_AI_TRANSLATE_MODEL to one of its models"
	dial := net.Dialer{Timeout: 500 * time.Millisecond}
	if conn, err := dial.DialContext(ctx, "tcp", ollama); err == nil {
		_ = conn.Close() // nothing was sent
		r.note("models", "something listens on "+ollama+", as Ollama does"+fmt.Sprintf(use, "http://"+ollama+"/v1"))
		return
	}
	if _, err := exec.LookPath("ollama"); err == nil {
		r.note("models", "Ollama is installed; start it with: ollama serve"+fmt.Sprintf(use, "http://"+ollama+"/v1"))
	}
	if _, err := exec.LookPath("llama-server"); err == nil {
		r.note("models", "llama.cpp is installed; start it with: llama-server -m MODEL.gguf --port 8080"+
			fmt.Sprintf(use, "http://127.0.0.1:8080/v1"))
	}
}
