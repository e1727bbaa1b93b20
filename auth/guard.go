package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/run402/functions-mcp/core/wire"
)

// GuardConfig says by which names a listener may be reached, and by which web pages.
type GuardConfig struct {
	Listen         string   // the address listened on, "host:port"; one that is not loopback needs PublicURL
	PublicURL      string   // the URL that clients use, when it is another; its origin is allowed
	AllowedOrigins []string // web origins besides, "https://app.example.com"; none means no web page may call
}

// Guard returns the middleware that every listener stands behind. A request whose Host is neither loopback, the address
// listened on, nor the public URL's is refused, so that no web page can reach us by a name that it rebinds in DNS. So
// is a request with an Origin that is not allowed, whatever its method: a stream is opened by GET. Both are 403.
// Allowed origins get CORS answers, without credentials.
func Guard(cfg GuardConfig) (func(http.Handler) http.Handler, error) {
	g, err := newGuard(cfg)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, next) })
	}, nil
}

type guard struct {
	hosts   []string // lower case, without port: what is rebound is a name
	origins []string // lower case, as browsers send them
}

func newGuard(cfg GuardConfig) (*guard, error) {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: want host:port, such as 127.0.0.1:8402", cfg.Listen)
	}
	g := &guard{}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		g.hosts = append(g.hosts, strings.ToLower(host))
	}
	if cfg.PublicURL == "" {
		if !IsLoopback(host) {
			return nil, fmt.Errorf("listen address %q can be reached from other machines: "+
				"say with --public-url which URL clients use, or listen on 127.0.0.1", cfg.Listen)
		}
	} else {
		u, err := parseHTTP(cfg.PublicURL)
		if err != nil {
			return nil, fmt.Errorf("public URL: %w", err)
		}
		g.hosts = append(g.hosts, strings.ToLower(u.Hostname()))
		g.origins = append(g.origins, origin(u))
	}
	for _, o := range cfg.AllowedOrigins {
		u, err := parseHTTP(o)
		if err != nil {
			return nil, fmt.Errorf("allowed origin: %w", err)
		}
		if strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("allowed origin %q: an origin ends after the host: say %s", u.Redacted(), origin(u))
		}
		g.origins = append(g.origins, origin(u))
	}
	return g, nil
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	w.Header().Add("Vary", "Origin")
	if !g.allowsHost(r.Host) {
		refuse(w, "HOST_NOT_ALLOWED", "this server is not reached by that Host: use the address it listens on or its "+
			"public URL, which the operator sets with --public-url")
		return
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		next.ServeHTTP(w, r)
		return
	}
	if len(origins) > 1 || !slices.Contains(g.origins, strings.ToLower(origins[0])) {
		refuse(w, "ORIGIN_NOT_ALLOWED", "web pages of that Origin may not call this server: the operator allows one "+
			"with RUN402_ALLOWED_ORIGINS")
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Set("Access-Control-Expose-Headers", "*")
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	next.ServeHTTP(w, r)
}

func (g *guard) allowsHost(hostport string) bool {
	host := (&url.URL{Host: strings.ToLower(hostport)}).Hostname()
	return IsLoopback(host) || slices.Contains(g.hosts, host)
}

func refuse(w http.ResponseWriter, code, message string) {
	e := wire.Error{Code: code, Message: message, Category: "auth", MutationState: "none"}
	WriteError(w, http.StatusForbidden, e)
}

// IsLoopback reports whether a host, without its port, is this machine and no other: localhost or a loopback address.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func parseHTTP(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not one: want http(s)://host[:port]", raw)
	}
	return u, nil
}

// origin returns a URL's origin as browsers send it: lower case, without the scheme's own port.
func origin(u *url.URL) string {
	host := u.Host
	if p := u.Port(); p == "80" && u.Scheme == "http" || p == "443" && u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return strings.ToLower(u.Scheme + "://" + host)
}
