package model

import (
	"fmt"
	"slices"
	"testing"
)

// TestResume: a cache that begins with what another one has read goes on as that one did, to the
// bit, and leaves it alone.
func TestResume(t *testing.T) {
	device := cpu(t)
	tokens := randomTokens(400)
	for _, config := range append([]string{smallHybrid, smallMistral, smallShared}, smallConfigs...) {
		m := loadSmall(t, config, device)
		read := func(cache *Cache, from, to int) []float32 {
			s := &Sequence{Tokens: tokens[from:to], Cache: cache, Want: AllLogits}
			mustForward(t, m, s)
			defer device.Release(s.Logits)
			return valuesOf(device, s.Logits)
		}
		for _, piece := range []int{3, 128, 200} {
			first, second := m.NewCache(0), m.NewCache(0)
			first.Limit(400)
			second.Limit(400)
			read(first, 0, piece)
			read(first, piece, 2*piece)
			if !second.Resume(first, 2*piece) || second.Len() != 2*piece {
				t.Fatalf("%.40s: did not resume at %d", config, 2*piece)
			}
			if most := m.CacheSize().Bytes(400, 200); second.Bytes() > most {
				t.Errorf("%.40s: %d bytes, planned %d", config, second.Bytes(), most)
			}
			for from := 2 * piece; from < min(2*piece+150, 400); from += 50 {
				want := read(first, from, min(from+50, 400))
				if !slices.Equal(read(second, from, min(from+50, 400)), want) {
					t.Errorf("%.40s: differs from position %d on", config, from)
				}
			}
			if second.Resume(first, 1) {
				t.Errorf("%.40s: a cache that is not empty resumed", config)
			}
			first.Release()
			second.Release()
		}
	}
}

// TestResumeRefuses: what is gone, or would be other numbers, is not taken over.
func TestResumeRefuses(t *testing.T) {
	device := cpu(t)
	tokens := randomTokens(300)
	// In a longer sequence than 20 positions, LongRoPE takes its other factors.
	const factors = `"long_factor":[3,3],"short_factor":[1,1]`
	longRoPE := fmt.Sprintf(`{"model_type":"phi3","hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
		"vocab_size":40,"pad_token_id":0,"torch_dtype":"float32","max_position_embeddings":400,"original_max_position_embeddings":20,"rope_scaling":{"type":"longrope",%s}}`, factors)
	for _, c := range []struct {
		config                             string
		length, at, ownLength, otherLength int
		want                               bool
	}{
		{smallLlama, 300, 10, 0, 0, true},
		{smallLlama, 300, 301, 0, 0, false},
		{smallMistral, 300, 10, 0, 0, false},
		{smallMistral, 300, 299, 0, 0, true},
		{smallMistral, 100, 10, 0, 0, true},
		{smallHybrid, 100, 99, 0, 0, false},
		{smallHybrid, 100, 100, 0, 0, true},
		{longRoPE, 10, 10, 15, 15, true},
		{longRoPE, 10, 10, 30, 15, false},
		{smallLlama, 10, 10, 30, 15, true},
	} {
		m := loadSmall(t, c.config, device)
		from, to := m.NewCache(0), m.NewCache(0)
		from.Expect(c.otherLength)
		to.Expect(c.ownLength)
		for at := 0; at < c.length; at += 100 {
			mustForward(t, m, &Sequence{Tokens: tokens[at:min(at+100, c.length)], Cache: from})
		}
		if got := to.Resume(from, c.at); got != c.want || (to.Len() == c.at) != c.want || !got && to.Bytes() != 0 {
			t.Errorf("%.40s at %d of %d: resumed %v with %d positions", c.config, c.at, c.length, got, to.Len())
		}
	}
}
