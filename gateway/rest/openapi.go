package rest

import "net/http"

func (h *Handler) root(w http.ResponseWriter, r *http.Request, s Session) error { return invalidPath() }
