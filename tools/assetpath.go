package tools

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/run402/functions-mcp/core/wire"
)

// openLocal opens a file that may be put: a regular one below a directory that the operator allows, or, where they say
// none, that the client works in. Symbolic links are resolved first, and again by os.Root while it is opened. What is
// hidden (.env, .git, …) is no asset, wherever it lies.
func (s *Set) openLocal(ctx context.Context, path string) (*os.File, error) {
	roots := s.o.AssetRoots
	if len(roots) == 0 {
		roots = clientRoots(ctx)
	}
	if len(roots) == 0 {
		return nil, argument("path", "no directory may be read from",
			"Send the content instead, or ask the operator for --asset-root.")
	}
	for _, root := range roots {
		root, rel, ok := within(root, path)
		if !ok {
			continue
		}
		if slices.ContainsFunc(strings.Split(rel, string(filepath.Separator)), hidden) {
			return nil, argument("path", "hidden files are not read", "Copy it to another name if it is meant to be stored.")
		}
		return openRegular(root, rel)
	}
	return nil, &failure{
		Code: codeInvalidArgument, Argument: "path", Valid: roots,
		Message: "there is no such file below the directories that may be read", NextStep: "Give a path below one of these.",
	}
}

func hidden(segment string) bool { return strings.HasPrefix(segment, ".") }

// within returns where a path really is below a directory. A relative one is meant from there.
func within(root, path string) (realRoot, rel string, ok bool) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", "", false
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", "", false
	}
	rel, err = filepath.Rel(realRoot, path)
	return realRoot, rel, err == nil && rel != "." && filepath.IsLocal(rel)
}

// openRegular never waits, as opening a pipe would.
func openRegular(root, rel string) (*os.File, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, unreadable()
	}
	defer func() { _ = dir.Close() }() // only read
	file, err := dir.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable()
	}
	info, err := file.Stat()
	switch {
	case err != nil || !info.Mode().IsRegular():
		err = argument("path", "that is no regular file", "Give the path of a file.")
	case info.Size() == 0: // as are the files of /proc, whatever they hold
		err = argument("path", "the file is empty", "Give the path of a file with at least one byte.")
	case info.Size() > wire.MaxAsset:
		err = argument("path", "the file has more than 25 MiB", "Store a smaller one.")
	default:
		return file, nil
	}
	_ = file.Close() // nothing was read
	return nil, err
}

func unreadable() error {
	return argument("path", "the file cannot be read", "Check its permissions, or send the content instead.")
}

// rootsTimeout is how long a client may take to say where it works.
const rootsTimeout = 5 * time.Second

// clientRoots asks the client for the directories it works in, if it said that it has some. Only sessions up to
// protocol 2025-11-25 can be asked.
func clientRoots(ctx context.Context) []string {
	session := server.ClientSessionFromContext(ctx)
	known, ok := session.(server.SessionWithClientInfo)
	if !ok || known.GetClientCapabilities().Roots == nil {
		return nil
	}
	asked, ok := session.(server.SessionWithRoots)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rootsTimeout)
	defer cancel()
	list, err := asked.ListRoots(ctx, mcp.ListRootsRequest{Request: mcp.Request{Method: string(mcp.MethodListRoots)}})
	if err != nil {
		return nil
	}
	var roots []string
	for _, root := range list.Roots {
		u, err := url.Parse(root.URI)
		if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" {
			continue
		}
		path := filepath.FromSlash(u.Path)
		if runtime.GOOS == "windows" {
			path = strings.TrimPrefix(path, `\`)
		}
		if filepath.IsAbs(path) {
			roots = append(roots, path)
		}
	}
	return roots
}
