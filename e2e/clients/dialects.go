package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// messages is Anthropic's API, which Claude Code speaks.
type messages struct{}

func (messages) results(body []byte) (shown []string, ok bool, err error) {
	var request struct {
		Tools    []json.RawMessage
		Messages []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, false, err
	}
	for _, m := range request.Messages {
		var blocks []struct {
			Type    string
			Content content
		}
		if json.Unmarshal(m.Content, &blocks) != nil {
			continue // a text
		}
		for _, b := range blocks {
			if b.Type == "tool_result" {
				shown = append(shown, string(b.Content))
			}
		}
	}
	return shown, len(request.Tools) > 0, nil
}

func (messages) say(w io.Writer, text string) error {
	return message(w, "end_turn", object{"type": "text", "text": ""}, object{"type": "text_delta", "text": text})
}

func (messages) call(w io.Writer, n int, c call) error {
	return message(w, "tool_use",
		object{"type": "tool_use", "id": fmt.Sprint("toolu_", n), "name": "mcp__run402__" + c.tool, "input": object{}},
		object{"type": "input_json_delta", "partial_json": c.args})
}

func message(w io.Writer, stop string, block, delta object) error {
	return events(w,
		object{"type": "message_start", "message": object{
			"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in", "content": []any{},
			"stop_reason": nil, "stop_sequence": nil, "usage": object{"input_tokens": 1, "output_tokens": 1},
		}},
		object{"type": "content_block_start", "index": 0, "content_block": block},
		object{"type": "content_block_delta", "index": 0, "delta": delta},
		object{"type": "content_block_stop", "index": 0},
		object{"type": "message_delta", "delta": object{"stop_reason": stop, "stop_sequence": nil},
			"usage": object{"output_tokens": 1}},
		object{"type": "message_stop"})
}

// responses is OpenAI's newer API, which Codex speaks.
type responses struct{}

func (responses) results(body []byte) (shown []string, ok bool, err error) {
	var request struct {
		Tools []json.RawMessage
		Input []struct {
			Type   string
			Output content
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, false, err
	}
	for _, item := range request.Input {
		if item.Type == "function_call_output" {
			shown = append(shown, string(item.Output))
		}
	}
	return shown, len(request.Tools) > 0, nil
}

func (responses) say(w io.Writer, text string) error {
	return response(w, object{
		"type": "message", "id": "msg_1", "role": "assistant", "content": []object{{"type": "output_text", "text": text}},
	})
}

func (responses) call(w io.Writer, n int, c call) error {
	return response(w, object{
		"type": "function_call", "call_id": fmt.Sprint("call_", n), "name": c.tool, "namespace": "mcp__run402",
		"arguments": c.args,
	})
}

func response(w io.Writer, item object) error {
	return events(w,
		object{"type": "response.created", "response": object{"id": "resp_1"}},
		object{"type": "response.output_item.done", "item": item},
		object{"type": "response.completed", "response": object{"id": "resp_1", "usage": object{
			"input_tokens": 1, "input_tokens_details": nil, "output_tokens": 1, "output_tokens_details": nil, "total_tokens": 2,
		}}})
}

// completions is OpenAI's older API, which Cline speaks to servers that are like OpenAI's.
type completions struct{}

func (completions) results(body []byte) (shown []string, ok bool, err error) {
	var request struct {
		Tools    []json.RawMessage
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, false, err
	}
	for _, m := range request.Messages {
		if m.Role != "tool" {
			continue
		}
		var text content
		if err := json.Unmarshal(m.Content, &text); err != nil {
			return nil, false, err
		}
		shown = append(shown, string(text))
	}
	return shown, len(request.Tools) > 0, nil
}

func (completions) say(w io.Writer, text string) error {
	return completion(w, "stop", object{"role": "assistant", "content": text})
}

func (completions) call(w io.Writer, n int, c call) error {
	return completion(w, "tool_calls", object{"role": "assistant", "tool_calls": []object{{
		"index": 0, "id": fmt.Sprint("call_", n), "type": "function",
		"function": object{"name": "run402__" + c.tool, "arguments": c.args},
	}}})
}

func completion(w io.Writer, finish string, delta object) error {
	chunk := func(delta object, finish any) object {
		return object{"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stand-in",
			"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}}}
	}
	if err := events(w, chunk(delta, nil), chunk(object{}, finish)); err != nil {
		return err
	}
	_, err := io.WriteString(w, "data: [DONE]\n\n")
	return err
}
