package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report is the table at the end. An empty cell was not measured.
type report struct{ lines []line }

type line struct {
	what                string
	program, floor, pgx string
	ratio               string // of the program to what the target names
	target              string
}

func (r *report) add(l line) { r.lines = append(r.lines, l) }

func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tprogram\tmcp-go\tpgx\tratio\ttarget\t")
	for _, l := range r.lines {
		fmt.Fprintf(t, "%-30s\t%s\t%s\t%s\t%s\t%s\t\n", l.what, l.program, l.floor, l.pgx, l.ratio, l.target)
	}
	return t.Flush()
}

// samples are the times of one thing that was done many times.
type samples []time.Duration

func (s *samples) since(began time.Time) { *s = append(*s, time.Since(began)) }

// at returns the time within which the given percentage was done.
func (s samples) at(percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[(len(sorted)-1)*percent/100]
}

func (s samples) median() time.Duration { return s.at(50) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.*f ms", decimals(d), float64(d)/float64(time.Millisecond))
}

func decimals(d time.Duration) int {
	switch {
	case d < 10*time.Millisecond:
		return 2
	case d < 100*time.Millisecond:
		return 1
	}
	return 0
}

func perSecond(v float64) string { return fmt.Sprintf("%.0f/s", v) }

func times[T ~int64 | ~float64](a, b T) string { return fmt.Sprintf("%.2fx", float64(a)/float64(b)) }
