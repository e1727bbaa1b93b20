package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// want checks an answer; the error says what it should have been.
type want func(context.Context, *player, answer) error

// all wants each of several things.
func all(wants ...want) want {
	return func(ctx context.Context, p *player, a answer) error {
		for _, w := range wants {
			if err := w(ctx, p, a); err != nil {
				return err
			}
		}
		return nil
	}
}

// says wants an answer, no refusal, with these texts in it.
func says(texts ...string) want {
	return func(_ context.Context, _ *player, a answer) error {
		if a.refused {
			return fmt.Errorf("it was refused: %s", a.text)
		}
		return mentions(a, texts)
	}
}

func mentions(a answer, texts []string) error {
	for _, text := range texts {
		if !strings.Contains(string(a.text), text) {
			return fmt.Errorf("the answer should mention %s: %s", text, a.text)
		}
	}
	return nil
}

// keepsQuiet wants an answer without these texts.
func keepsQuiet(texts ...string) want {
	return func(_ context.Context, _ *player, a answer) error {
		for _, text := range texts {
			if strings.Contains(string(a.text), text) {
				return fmt.Errorf("the answer should not mention %s: %s", text, a.text)
			}
		}
		return nil
	}
}

// refuses wants a refusal with this code and these texts.
func refuses(code string, texts ...string) want {
	return func(_ context.Context, _ *player, a answer) error {
		var refusal struct{ Error struct{ Code string } }
		if !a.refused || json.Unmarshal(a.text, &refusal) != nil || refusal.Error.Code != code {
			return fmt.Errorf("it should be refused with code %s: %s", code, a.text)
		}
		return mentions(a, texts)
	}
}

// touches wants a write that touched so many rows.
func touches(n int64) want {
	return func(_ context.Context, _ *player, a answer) error {
		var got struct{ Affected *int64 }
		if a.refused || json.Unmarshal(a.text, &got) != nil || got.Affected == nil || *got.Affected != n {
			return fmt.Errorf("it should touch %d rows: %s", n, a.text)
		}
		return nil
	}
}

// counts wants as many tickets as really meet a condition, and at least one.
func counts(condition string) want {
	return func(ctx context.Context, p *player, a answer) error {
		var got struct{ Count *int64 }
		var truth struct{ N int64 }
		if err := p.truth(ctx, "select count(*)::int as n from tickets where "+condition, &truth); err != nil {
			return err
		}
		if a.refused || json.Unmarshal(a.text, &got) != nil || got.Count == nil || *got.Count != truth.N || truth.N < 1 {
			return fmt.Errorf("it should count %d tickets: %s", truth.N, a.text)
		}
		return nil
	}
}

// holds wants a condition to be true in the database now.
func holds(condition string) want {
	return func(ctx context.Context, p *player, _ answer) error {
		var truth struct{ Holds bool }
		if err := p.truth(ctx, "select ("+condition+") as holds", &truth); err != nil {
			return err
		}
		if !truth.Holds {
			return fmt.Errorf("it should hold then that %s", condition)
		}
		return nil
	}
}
