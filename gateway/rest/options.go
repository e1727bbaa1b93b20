package rest

import (
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"
)

// options says which methods the target of a request has, whoever asks.
func (h *Handler) options(req *request, call bool) error {
	c, err := h.catalog(req)
	if err != nil {
		return err
	}
	allow := "OPTIONS,GET,HEAD"
	if call {
		i := &invocation{request: req, nonce: h.nonce}
		if err := i.readArgs(0, true); err != nil {
			return err
		}
		if err := h.choose(i, c); err != nil {
			return err
		}
		if allow += ",POST"; i.fn.Volatile {
			allow = "OPTIONS,POST"
		}
	} else {
		t := c.Table(req.on.schema, req.on.name)
		if t == nil {
			return &pgconn.PgError{Code: "42P01"} // as PostgreSQL would say, see explain
		}
		for _, m := range []struct {
			name string
			can  bool
		}{
			{"POST", t.Insertable}, {"PUT", t.Insertable && t.Updatable && len(t.Key) > 0},
			{"PATCH", t.Updatable}, {"DELETE", t.Deletable},
		} {
			if m.can {
				allow += "," + m.name
			}
		}
	}
	header := req.w.Header()
	vary(header)
	header.Set("Allow", allow)
	header.Set("Content-Length", "0")
	req.w.WriteHeader(http.StatusOK)
	return nil
}
