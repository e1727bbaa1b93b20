package rest

func (h *Handler) call(req *request) error { return invalidPath() }
