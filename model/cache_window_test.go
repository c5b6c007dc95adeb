package model

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"npinf/kernels"
)

// Configurations with windows: on every layer, and shared by later layers.
const (
	smallMistral = `{"model_type":"mistral","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,
		"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":40,"sliding_window":5,"torch_dtype":"float32"}`
	smallShared = `{"model_type":"gemma4_text","hidden_size":16,"intermediate_size":24,"num_hidden_layers":5,"head_dim":8,"global_head_dim":8,
		"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":40,"vocab_size_per_layer_input":40,"hidden_size_per_layer_input":0,
		"num_kv_shared_layers":2,"layer_types":["sliding_attention","full_attention","sliding_attention","sliding_attention","full_attention"],
		"sliding_window":3,"torch_dtype":"float32"}`
)

var windowConfigs = []string{smallGemma, smallMistral, smallShared}

// randomTokens are the same every time.
func randomTokens(count int) []int {
	random, tokens := rand.New(rand.NewPCG(1, 2)), make([]int, count)
	for i := range tokens {
		tokens[i] = random.IntN(40)
	}
	return tokens
}

// remembering makes a cache that forgets nothing.
func remembering(m *Model) *Cache {
	cache := m.NewCache(0)
	for i := range cache.layers {
		cache.layers[i].window = 0
	}
	return cache
}

// TestForgettingChangesNoBit compares caches that keep a window with caches that keep all, for
// passes of one row, of a few, longer than a window and longer than what is kept beside it.
func TestForgettingChangesNoBit(t *testing.T) {
	device := cpu(t)
	passes := []int{7, 128, 1, 1, 128, 300, 1, 2, 3, 40, 128, 128, 1, 5}
	for range 2 * windowSlack {
		passes = append(passes, 1)
	}
	for _, config := range windowConfigs {
		m := loadSmall(t, config, device)
		all, window := remembering(m), m.NewCache(0)
		tokens := randomTokens(1200)
		for i, count := range passes {
			next := tokens[all.Len() : all.Len()+count]
			want := &Sequence{Tokens: next, Cache: all, Want: AllLogits}
			got := &Sequence{Tokens: next, Cache: window, Want: AllLogits}
			mustForward(t, m, want)
			mustForward(t, m, got)
			if !slices.Equal(valuesOf(device, got.Logits), valuesOf(device, want.Logits)) {
				t.Fatalf("%.40s: pass %d of %d rows differs", config, i, count)
			}
			device.Release(want.Logits)
			device.Release(got.Logits)
		}
	}
}

// TestWindowBoundsACache: layers with a window take no more than planned, however long the
// sequence, and give back what a long pass took.
func TestWindowBoundsACache(t *testing.T) {
	device := cpu(t)
	for _, config := range windowConfigs {
		m := loadSmall(t, config, device)
		for _, first := range []int{1, 500} {
			cache, tokens := m.NewCache(0), randomTokens(1000)
			cache.Limit(len(tokens))
			mustForward(t, m, &Sequence{Tokens: tokens[:first], Cache: cache})
			for cache.Len() < len(tokens) {
				rest := tokens[cache.Len():]
				mustForward(t, m, &Sequence{Tokens: rest[:min(windowSlack, len(rest))], Cache: cache})
				if planned := m.CacheSize().Bytes(len(tokens), max(first, windowSlack)); cache.Bytes() > planned {
					t.Errorf("%.40s: %d positions take %d bytes, planned %d", config, cache.Len(), cache.Bytes(), planned)
				}
			}
			for i, l := range cache.layers {
				if most := l.window - 1 + windowSlack; l.window > 0 && !m.arch.blocks[i].attention.shares && l.keys.Rows > most {
					t.Errorf("%.40s: layer %d with a window of %d has %d rows", config, i, l.window, l.keys.Rows)
				}
			}
			if size := m.CacheSize(); size.Bytes(1000, 1) >= 1000*size.TokenBytes*3/4 {
				t.Errorf("%.40s: %d bytes planned for 1000 tokens of %d", config, size.Bytes(1000, 1), size.TokenBytes)
			}
			cache.Release()
		}
	}
}

// TestTruncateBehindAWindow: a cache goes back as far as its windows still have the keys.
func TestTruncateBehindAWindow(t *testing.T) {
	device := cpu(t)
	for _, config := range windowConfigs {
		m := loadSmall(t, config, device)
		tokens := randomTokens(400)
		logits := func(cache *Cache, tokens []int) []float32 {
			s := &Sequence{Tokens: tokens, Cache: cache, Want: AllLogits}
			mustForward(t, m, s)
			defer device.Release(s.Logits)
			return valuesOf(device, s.Logits)
		}
		cache := m.NewCache(0)
		for at := 0; at < len(tokens); at += 50 {
			logits(cache, tokens[at:at+50])
		}
		if cache.Truncate(200) || cache.Len() != 400 {
			t.Errorf("%.40s: went back to 200 of 400, now %d", config, cache.Len())
		}
		if !cache.Truncate(390) || cache.Len() != 390 {
			t.Errorf("%.40s: did not go back ten positions", config)
		}
		all := remembering(m)
		for at := 0; at < len(tokens); at += 50 {
			logits(all, tokens[at:at+50])
		}
		all.Truncate(390)
		if !slices.Equal(logits(cache, tokens[:20]), logits(all, tokens[:20])) {
			t.Errorf("%.40s: another continuation differs", config)
		}
		if !cache.Truncate(0) || cache.Len() != 0 {
			t.Errorf("%.40s: did not go back to the beginning", config)
		}
		if !slices.Equal(logits(cache, tokens[:20]), logits(nil, tokens[:20])) {
			t.Errorf("%.40s: another beginning differs", config)
		}
	}
}

// TestCancelledPassBehindAWindow: a pass that fails may have made layers forget, but nothing
// that the next one sees.
func TestCancelledPassBehindAWindow(t *testing.T) {
	device := cpu(t)
	for _, config := range windowConfigs {
		m := loadSmall(t, config, device)
		tokens := randomTokens(300)
		all, window := remembering(m), m.NewCache(0)
		for at := 0; at < 260; at += 130 {
			mustForward(t, m, &Sequence{Tokens: tokens[at : at+130], Cache: all})
			mustForward(t, m, &Sequence{Tokens: tokens[at : at+130], Cache: window})
		}
		ctx, cancel := context.WithCancel(context.Background())
		failing := &Sequence{Tokens: randomTokens(200), Cache: window, Want: LastLogits,
			Edits: []Edit{{Address: Address{ResidPost, 1}, Apply: func(kernels.Device, kernels.Buffer, []int) { cancel() }}}}
		if err := m.Forward(ctx, []*Sequence{failing}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		want := &Sequence{Tokens: tokens[260:], Cache: all, Want: AllLogits}
		got := &Sequence{Tokens: tokens[260:], Cache: window, Want: AllLogits}
		mustForward(t, m, want)
		mustForward(t, m, got)
		if !slices.Equal(valuesOf(device, got.Logits), valuesOf(device, want.Logits)) {
			t.Errorf("%.40s: differs after a cancelled pass", config)
		}
	}
}

// TestPatternsBehindAWindow: an attention pattern has a column for every key, forgotten or not.
func TestPatternsBehindAWindow(t *testing.T) {
	device := cpu(t)
	for _, config := range windowConfigs {
		m := loadSmall(t, config, device)
		tokens := randomTokens(300)
		for _, point := range []Point{AttnScores, AttnProbs} {
			for _, rows := range [][]int{nil, {4, 0, 9}} {
				var got [2][]float32
				for i, cache := range []*Cache{remembering(m), m.NewCache(0)} {
					mustForward(t, m, &Sequence{Tokens: tokens[:150], Cache: cache})
					mustForward(t, m, &Sequence{Tokens: tokens[150:290], Cache: cache})
					for layer := range m.Info().Layers {
						tap := &Tap{Address: Address{point, layer}, Rows: rows, Head: -1}
						mustForward(t, m, &Sequence{Tokens: tokens[290:], Cache: cache, Taps: []*Tap{tap}})
						if tap.Out.Width != 300 {
							t.Errorf("%s has %d columns, want 300", fmt.Sprint(point), tap.Out.Width)
						}
						got[i] = append(got[i], valuesOf(device, tap.Out)...)
						cache.Truncate(290)
					}
				}
				if !slices.Equal(got[0], got[1]) {
					t.Errorf("%.40s: %s, rows %v: the patterns differ", config, point, rows)
				}
			}
		}
	}
}
