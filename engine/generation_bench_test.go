package engine

import (
	"fmt"
	"sync"
	"testing"

	"npinf/hub"
	"npinf/kernels"
)

// BenchmarkGenerations measures tokens per second of clients who generate at the same time
// on a random model. One step reads the weights once for all of them, so many clients get
// more tokens together than one alone.
func BenchmarkGenerations(b *testing.B) {
	files, err := hub.OpenFS("random", randomModel(512, 8, 8, 512))
	if err != nil {
		b.Fatal(err)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer device.Close()
	e := New(Config{Demo: files, Device: device, MemoryBytes: -1})
	if err := e.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	e.world.Load().stops = map[int]bool{}
	const tokens = 32
	for _, clients := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := Steering{Method: SimpleAdditive, Types: []SteerType{Unsteered}, Tokens: tokens, Vectors: []SteerVector{}}
			for b.Loop() {
				var all sync.WaitGroup
				for i := range clients {
					all.Go(func() {
						if _, err := e.SteerCompletion(b.Context(), SteerRequest{Prompt: fmt.Sprint("client ", i), Steering: s}, nil); err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(tokens*clients*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
