package app

import (
	"context"
	"errors"
)

type demoCommand struct {
	Keep bool `help:"Keep the demo's project afterwards."`
}

// Run plays a session of three agents on one project.
func (c demoCommand) Run(ctx context.Context, p Process) error { return errors.New("not there yet") }
