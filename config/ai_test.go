package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAIIsReadFromTheEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		vars string
		want AI
	}{
		"nothing": {"", AI{}},
		"a server": {
			"RUN402_AI_BASE_URL=https://api.openai.com/v1/ RUN402_AI_API_KEY=sk-1 RUN402_AI_TRANSLATE_MODEL=a " +
				"RUN402_AI_MODERATE_MODEL=b RUN402_AI_IMAGE_MODEL=c RUN402_AI_WORDS_PER_MONTH=1000 RUN402_AI_IMAGES_PER_MONTH=5",
			AI{
				BaseURL: "https://api.openai.com/v1", APIKey: "sk-1", TranslateModel: "a", ModerateModel: "b", ImageModel: "c",
				Words: 1000, Images: 5,
			},
		},
		"one without a key, elsewhere": {"RUN402_AI_BASE_URL=http://gpu.example:8000/v1", AI{BaseURL: "http://gpu.example:8000/v1"}},
		"stand-ins":                    {"RUN402_AI_MODERATE=wordlist RUN402_AI_IMAGE=placeholder", AI{Wordlist: true, Placeholder: true}},
	} {
		s, err := settings(t, env(test.vars))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, s.Backend.(Local).AI); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAIThatCannotBeMeantIsRefused(t *testing.T) {
	const server = "RUN402_AI_BASE_URL=https://api.openai.com/v1 "
	for name, test := range map[string]struct{ vars, want string }{
		"a key for nobody":        {"RUN402_AI_API_KEY=sk-hunter2", "RUN402_AI_BASE_URL"},
		"a model of nobody's":     {"RUN402_AI_IMAGE_MODEL=x", "RUN402_AI_BASE_URL"},
		"a key in clear":          {"RUN402_AI_BASE_URL=http://gpu.example/v1 RUN402_AI_API_KEY=sk-hunter2", "in clear"},
		"a key in the URL":        {"RUN402_AI_BASE_URL=https://sk-hunter2@api.openai.com/v1", "RUN402_AI_API_KEY"},
		"a key in the query":      {"RUN402_AI_BASE_URL=https://api.openai.com/v1?key=sk-hunter2", "RUN402_AI_API_KEY"},
		"no URL":                  {"RUN402_AI_BASE_URL=openai", "no URL"},
		"another stand-in":        {"RUN402_AI_IMAGE=stock", "placeholder"},
		"two moderators":          {server + "RUN402_AI_MODERATE=wordlist RUN402_AI_MODERATE_MODEL=x", "unset one"},
		"a cap that is none":      {"RUN402_AI_WORDS_PER_MONTH=many", "RUN402_AI_WORDS_PER_MONTH"},
		"a cap of nothing":        {"RUN402_AI_IMAGES_PER_MONTH=0", "RUN402_AI_IMAGES_PER_MONTH"},
		"a hosted project":        {server + "RUN402_ANON_KEY=k", "RUN402_AI_BASE_URL"},
		"a key of two lines":      {server + "RUN402_AI_API_KEY=sk\nhunter2", "RUN402_AI_API_KEY"},
		"a database's own, wrong": {"RUN402_DATABASE_URL=postgres://x RUN402_AI_IMAGE=stock", "placeholder"},
	} {
		lookup := env(test.vars)
		if strings.Contains(test.vars, "\n") {
			vars := map[string]string{"RUN402_AI_BASE_URL": "https://a.example", "RUN402_AI_API_KEY": "sk\nhunter2"}
			lookup = func(name string) (string, bool) { return vars[name], vars[name] != "" }
		}
		_, err := settings(t, lookup)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the message %q holds a secret", name, err)
		}
	}
}
