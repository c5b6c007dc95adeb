package server

import (
	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// maxResults is how many features the engine returns at most.
const maxResults = 1000

// capabilities describes what is served. Its keys are snake_case, as in the reference.
func (s *Server) capabilities(c echo.Context, _ schema.Values) error {
	can, err := s.service.Capabilities()
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.capabilities(can) })
}

func (e *encoder) capabilities(can engine.Capabilities) {
	e.begin('{')
	e.key("model").text(can.Model)
	e.key("backend").text("eager") // clients choose by it, and npinf can all that this one can
	e.key("device").text(can.Device)
	e.key("max_concurrent_requests").integer(can.MaxConcurrent)
	e.key("max_tokens").integer(can.MaxTokens)
	e.key("token_limit").integer(can.TokenLimit)
	e.key("lens_token_limit").integer(can.LensTokenLimit)
	e.key("activation_token_limit").integer(can.ActivationTokenLimit)
	e.zeros("vram_budget_bytes", "vram_budget_available_bytes")
	e.key("sae_cache").cache(can.Cache)
	e.key("max_num_results").integer(maxResults)
	e.key("capture_points").texts(can.CapturePoints)
	e.key("grad_support").gradients()
	e.key("hooks_available").boolean(true)
	e.key("graph_replay").boolean(false)
	for _, key := range []string{"static_points", "static_writes", "frozen_points", "writes_available"} {
		e.key(key).texts(nil)
	}
	e.key("generation_only").boolean(false)
	e.key("num_layers").integer(can.Layers)
	e.key("sae_sets").texts(can.SourceSets)
	e.key("endpoints").begin('{')
	for _, f := range endpoints(can) {
		e.key(f.name).boolean(f.served)
	}
	e.end('}')
	e.end('}')
}

type endpoint struct {
	name   string
	served bool
}

// endpoints says what works. A flag is true only where its route is served.
func endpoints(can engine.Capabilities) []endpoint {
	return []endpoint{
		{"tokenize", true},
		{"activation_single", true},
		{"activation_all", true},
		{"activation_source", true},
		{"activation_raw", true},
		{"activation_topk_by_token", true},
		{"activation_attention", true},
		{"dfa", can.Attribution},
		{"steer_completion", true},
		{"steer_completion_chat", true},
		{"lens_logit", true},
		{"lens_jacobian", can.Jacobian},
		{"neurons", can.Neurons},
	}
}

func (e *encoder) zeros(keys ...string) {
	for _, key := range keys {
		e.key(key).integer(0)
	}
}

// cache describes the resident sources. They lie in main memory, so the figures of a GPU
// budget are zero.
func (e *encoder) cache(c engine.CacheStatistics) {
	e.begin('{')
	e.key("enabled").boolean(false)
	e.zeros("budget_bytes")
	e.key("resident_bytes").integer(int(c.ResidentBytes))
	e.key("resident_count").integer(int(c.ResidentCount))
	e.key("registered_count").integer(int(c.RegisteredCount))
	e.zeros("host_bytes", "pinned_bytes")
	e.key("hits").integer(int(c.Hits))
	e.key("misses").integer(int(c.Misses))
	e.key("evictions").integer(int(c.Evictions))
	e.end('}')
}

// gradients says that there are none, in the words that clients of the reference know.
func (e *encoder) gradients() {
	e.begin('{')
	e.key("backend").text("eager")
	e.key("downstream").boolean(true)
	e.key("through_forward").boolean(false)
	e.key("blockers").texts([]string{"model loaded with requires_grad=False (the serving default)"})
	e.key("caveats").texts(nil)
	e.key("remedy").text("Reload with EagerModel(..., requires_grad=True) to get a differentiable forward.")
	e.nulls("per_layer")
	e.end('}')
}
