package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/run402/functions-mcp/auth"
)

// AI is what the AI helpers of a gateway in this program work with. Without a model and without a stand-in a helper has
// nothing, but translation, which then takes Apertium where it is installed.
type AI struct {
	BaseURL string // of an OpenAI-compatible server, without a trailing slash; empty when there is none
	APIKey  Secret // may be empty

	TranslateModel string // a chat model
	ModerateModel  string // a moderation or chat model; empty leaves it to the server
	ImageModel     string

	Wordlist    bool // moderate by a list of words
	Placeholder bool // "make" images that say that they are none

	Words, Images int64 // a month; 0 is no cap
}

const aiExample = "want one such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1"

// readAI takes the variables RUN402_AI_*. It never repeats the URL, since somebody may have put a key there.
func readAI(lookup Lookup) (AI, error) {
	a := AI{
		BaseURL: strings.TrimRight(lookup.get("RUN402_AI_BASE_URL"), "/"), APIKey: Secret(lookup.get("RUN402_AI_API_KEY")),
		TranslateModel: lookup.get("RUN402_AI_TRANSLATE_MODEL"), ModerateModel: lookup.get("RUN402_AI_MODERATE_MODEL"),
		ImageModel: lookup.get("RUN402_AI_IMAGE_MODEL"),
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, choice := range []struct {
		variable, only, model string
		chosen                *bool
	}{
		{"RUN402_AI_MODERATE", "wordlist", a.ModerateModel, &a.Wordlist},
		{"RUN402_AI_IMAGE", "placeholder", a.ImageModel, &a.Placeholder},
	} {
		value := lookup.get(choice.variable)
		*choice.chosen = value == choice.only
		switch {
		case value != "" && !*choice.chosen:
			fail("%s can only be %s: a server's model goes into %[1]s_MODEL", choice.variable, choice.only)
		case *choice.chosen && choice.model != "":
			fail("%s and %[1]s_MODEL are both set, and only one can do the work: unset one", choice.variable)
		}
	}
	for name, value := range map[string]string{
		"RUN402_AI_API_KEY": a.APIKey.Reveal(), "RUN402_AI_TRANSLATE_MODEL": a.TranslateModel,
		"RUN402_AI_MODERATE_MODEL": a.ModerateModel, "RUN402_AI_IMAGE_MODEL": a.ImageModel,
	} {
		switch {
		case value != "" && a.BaseURL == "":
			fail("%s is set without RUN402_AI_BASE_URL, and nothing is sent to a server that nobody named: %s", name, aiExample)
		case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			fail("%s holds blanks or other characters that cannot be: copy it again, alone", name)
		}
	}
	var err error
	a.Words, err = readCap(lookup, "RUN402_AI_WORDS_PER_MONTH")
	errs = append(errs, err)
	a.Images, err = readCap(lookup, "RUN402_AI_IMAGES_PER_MONTH")
	errs = append(errs, err, a.checkURL())
	return a, errors.Join(errs...)
}

func (a AI) checkURL() error {
	if a.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(a.BaseURL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("RUN402_AI_BASE_URL is no URL: " + aiExample)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("RUN402_AI_BASE_URL may have a host and a path only: the key goes into RUN402_AI_API_KEY")
	case u.Scheme == "http" && !auth.IsLoopback(u.Hostname()) && a.APIKey != "":
		return errors.New("RUN402_AI_BASE_URL is http:// to another machine, which would send the key in clear: use https://")
	}
	return nil
}

func readCap(lookup Lookup, name string) (int64, error) {
	text := lookup.get(name)
	if text == "" {
		return 0, nil
	}
	const most = 1e12
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s must be a number from 1 on: unset it for no cap", name)
	}
	return n, nil
}
