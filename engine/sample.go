package engine

import (
	"math"
	"math/rand/v2"

	"npinf/tokenizer"
)

// sampler chooses the tokens of one sequence. Its random numbers are its own, so that what
// it chooses depends on its logits and its seed alone and not on who else is served.
type sampler struct {
	temperature float64
	penalty     float64
	random      *rand.Rand
	counts      map[int]int // occurrences of each token, nil without a penalty
}

// samplerStream sets the sequence of random numbers apart from others with the same seed.
const samplerStream = 0x6e70696e66

func newSampler(s Steering, prompt []int) *sampler {
	seed := math.Float64bits(math.Trunc(s.Seed) + 0) // +0 makes -0 an ordinary 0
	sampler := &sampler{temperature: s.Temperature, penalty: s.FrequencyPenalty, random: rand.New(rand.NewPCG(seed, samplerStream))}
	if s.Temperature > 0 && s.FrequencyPenalty != 0 {
		sampler.counts = map[int]int{}
		for _, id := range prompt {
			sampler.counts[id]++
		}
	}
	return sampler
}

// pick chooses the next token; logits are changed by a penalty.
func (s *sampler) pick(logits []float32) int {
	if s.temperature <= 0 {
		_, best := peak(logits)
		return best
	}
	for id, count := range s.counts {
		logits[id] -= float32(s.penalty * float64(count))
	}
	id := s.draw(logits)
	if s.counts != nil {
		s.counts[id]++
	}
	return id
}

// draw takes one token by the probabilities softmax(logits / temperature).
func (s *sampler) draw(logits []float32) int {
	largest, best := peak(logits)
	weight := func(logit float32) float64 {
		return math.Exp((float64(logit) - float64(largest)) / s.temperature)
	}
	total := 0.0
	for _, logit := range logits {
		total += weight(logit)
	}
	rest := s.random.Float64() * total
	for id, logit := range logits {
		if rest -= weight(logit); rest < 0 {
			return id
		}
	}
	return best // rounding left a grain of the total
}

// logprobs tells the log-probability of a token and the likeliest tokens, by value, then id.
func logprobs(t *tokenizer.Tokenizer, logits []float32, id, top int) TokenLogprob {
	largest, _ := peak(logits)
	sum := 0.0
	for _, logit := range logits {
		sum += math.Exp(float64(logit) - float64(largest))
	}
	normal := float64(largest) + math.Log(sum)
	of := func(id int) TokenChoice {
		return TokenChoice{t.TokenString(id), float32(float64(logits[id]) - normal)}
	}
	chosen := of(id)
	told := TokenLogprob{Token: chosen.Token, Logprob: chosen.Logprob}
	for _, candidate := range largestOf(logits, top) {
		told.Top = append(told.Top, of(candidate))
	}
	return told
}

// largestOf gives the indices of the largest values, best first, the lower index first among
// equals.
func largestOf(values []float32, count int) []int {
	best := make([]int, 0, count+1)
	for i, value := range values {
		if count > 0 && len(best) == count && !(value > values[best[count-1]]) {
			continue
		}
		at := len(best)
		for at > 0 && value > values[best[at-1]] {
			at--
		}
		best = append(best, 0)
		copy(best[at+1:], best[at:])
		best[at] = i
		best = best[:min(len(best), count)]
	}
	return best
}
