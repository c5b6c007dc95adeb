package model

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkInt8 runs the shape of GPT-2 small with int8, bfloat16 and float32 weights in turn:
// one token behind 32 others, and prompts for the logits of their last token. bw-share is the
// bytes of the int8 weights over what memory delivers in the fastest run; x-f32 and x-bf16
// are how many times faster that is than the fastest run of the others.
func BenchmarkInt8(b *testing.B) {
	device := benchDevice(b)
	files := scaledModel(b, benchGPT2, 0.02)
	var models [3]*Model
	for i, options := range []Options{{Int8: true}, {DType: "bfloat16"}, {DType: "float32"}} {
		options.Device, options.Borrow = device, true
		m, err := Load(context.Background(), files, options)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close() })
		models[i] = m
	}
	for _, rows := range []int{1, 12, 32, 128} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			var steps [3]func()
			for i, m := range models {
				steps[i] = benchStep(b, m, device, rows)
			}
			fastest, best := inTurn(b, device, steps[:])
			trunk, head := trunkWeights(models[0])
			b.ReportMetric((trunk+head)/fastest[0].Seconds()/best.Read, "bw-share")
			b.ReportMetric(fastest[0].Seconds()*1e3, "best-ms")
			b.ReportMetric(fastest[1].Seconds()/fastest[0].Seconds(), "x-bf16")
			b.ReportMetric(fastest[2].Seconds()/fastest[0].Seconds(), "x-f32")
		})
	}
}
