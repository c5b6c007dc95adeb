package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"npinf/hub"
	"npinf/kernels"
)

// BenchmarkGenerations measures tokens per second of clients who generate at the same time
// on a random model. One step reads the weights once for all of them, so many clients get
// more tokens together than one alone.
func BenchmarkGenerations(b *testing.B) {
	e := randomEngine(b)
	for _, clients := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			generateTogether(b, e, clients, func(client int) string { return fmt.Sprint("client ", client) })
		})
	}
}

// BenchmarkSharedPrompts has 16 clients ask behind 300 tokens: each behind its own, all behind the
// same with a question of their own, and all the same. rows/client is what was computed.
func BenchmarkSharedPrompts(b *testing.B) {
	e := randomEngine(b)
	text := strings.Repeat("You are a helpful assistant. ", 10)
	for _, kind := range []struct {
		name   string
		prompt func(client int) string
	}{
		{"own", func(client int) string { return fmt.Sprintf("%02d%s", client, text) }},
		{"preamble", func(client int) string { return fmt.Sprintf("%s%02d", text, client) }},
		{"equal", func(int) string { return text + "00" }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			rows := &e.world.Load().scheduler.rows
			before := rows.Load()
			generateTogether(b, e, 16, kind.prompt)
			b.ReportMetric(float64(rows.Load()-before)/float64(16*b.N), "rows/client")
		})
	}
}

// randomEngine serves a random model of 25 million parameters.
func randomEngine(b *testing.B) *Engine {
	files, err := hub.OpenFS("random", randomModel(512, 8, 8, 512))
	if err != nil {
		b.Fatal(err)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(device.Close)
	e := New(Config{Demo: files, Device: device, MemoryBytes: -1, TokenLimit: 512, MaxGenerations: 16})
	if err := e.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	e.world.Load().stops = map[int]bool{}
	return e
}

// generateTogether has clients generate 32 tokens each at the same time.
func generateTogether(b *testing.B, e *Engine, clients int, prompt func(client int) string) {
	const tokens = 32
	s := Steering{Method: SimpleAdditive, Types: []SteerType{Unsteered}, Tokens: tokens, Vectors: []SteerVector{}}
	for b.Loop() {
		var all sync.WaitGroup
		for i := range clients {
			all.Go(func() {
				if _, err := e.SteerCompletion(b.Context(), SteerRequest{Prompt: prompt(i), Steering: s}, nil); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(tokens*clients*b.N)/b.Elapsed().Seconds(), "tokens/s")
}
