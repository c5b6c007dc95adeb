package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachDevice runs a test on every path of this machine, with one thread and with two.
func eachDevice(t *testing.T, test func(t *testing.T, c *CPU)) {
	for _, name := range pathNames {
		for _, threads := range []int{1, 2} {
			if !HasPath(name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, threads), func(t *testing.T) {
				c, err := NewCPU(CPUOptions{Path: name, Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				test(t, c)
			})
		}
	}
}

// random returns n normally distributed numbers.
func random(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// near reports whether a is within tol of b; equal infinities and two NaN are near.
func near(a, b, tol float64) bool {
	return math.Abs(a-b) <= tol || a == b || a != a && b != b
}
