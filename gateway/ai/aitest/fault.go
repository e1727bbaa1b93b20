package aitest

import (
	"encoding/json"
	"net/http"
)

// Secret is what faults say that nobody may repeat.
const Secret = "the provider quotes sk-aitest-0123456789 and the prompt"

// Status refuses a request with a code, as OpenAI does, and headers such as "Retry-After", "1".
func Status(status int, code string, headers ...string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		writeJSON(w, map[string]any{"error": map[string]any{"message": Secret, "type": "error", "param": nil, "code": code}})
	}
}

// Body answers 200 with a body that says it is JSON.
func Body(body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body)) // the client may be gone
	}
}

// Content is a chat's answer with another content than was asked for.
func Content(content, finish string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, completion(ChatModel, content, finish))
	}
}

// Cut closes the connection in the middle of an answer.
func Cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"id":"chatcmpl`))
	panic(http.ErrAbortHandler)
}

// Slow sends a byte, and the rest never, until the client gives up.
func Slow(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{`))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps and texts come here
	}
	_, _ = w.Write(text)
}
