package server

import (
	"fmt"
	"strings"
	"time"

	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

func (s *Server) steer(c echo.Context, r schema.Values) error {
	q := engine.SteerRequest{Prompt: r.Text("prompt"), Steering: steeringOf(r)}
	return answerFrames(s, c, r.Boolean("stream"), (*encoder).steerFrame, func(emit func(engine.SteerFrame) error) (engine.SteerFrame, error) {
		return s.service.SteerCompletion(c.Request().Context(), q, emit)
	})
}

// answerFrames answers with the last frame of a generation, or with every frame as an event.
func answerFrames[F any](s *Server, c echo.Context, streamed bool, encode func(*encoder, F), generate func(emit func(F) error) (F, error)) error {
	if !streamed {
		frame, err := generate(nil)
		if err != nil {
			return err
		}
		return reply(c, func(e *encoder) { encode(e, frame) })
	}
	events := s.stream(c, eventsType)
	_, err := generate(func(frame F) error {
		return events.sendEvent(func(e *encoder) { encode(e, frame) })
	})
	return events.finish(err, errorEvent)
}

// steeringOf is what both steering requests have in common.
func steeringOf(r schema.Values) engine.Steering {
	q := engine.Steering{
		Method:           engine.SteerMethod(r.Text("steerMethod")),
		Normalize:        r.Boolean("normalizeSteering"),
		Multiplier:       r.Number("strengthMultiplier"),
		Tokens:           r.Integer("nCompletionTokens"),
		Temperature:      r.Number("temperature"),
		Seed:             r.Number("seed"),
		FrequencyPenalty: r.Number("freqPenalty"),
		Logprobs:         r.Integer("nLogprobs"),
	}
	for _, kind := range r.Texts("types") {
		q.Types = append(q.Types, engine.SteerType(kind))
	}
	if features := r.Objects("features"); features != nil {
		q.Features = []engine.SteerFeature{}
		for _, f := range features {
			q.Features = append(q.Features, engine.SteerFeature{Source: f.Text("source"), Index: f.Text("index"), Strength: f.Number("strength")})
		}
	}
	if vectors := r.Objects("vectors"); vectors != nil {
		q.Vectors = []engine.SteerVector{}
		for _, v := range vectors {
			q.Vectors = append(q.Vectors, engine.SteerVector{Vector: v.Numbers("steeringVector"), Strength: v.Number("strength"), Hook: v.Text("hook")})
		}
	}
	return q
}

func (e *encoder) steerFrame(f engine.SteerFrame) {
	e.begin('{')
	array(e.key("outputs"), f.Outputs, func(o engine.SteerOutput) {
		e.begin('{')
		e.key("type").text(string(o.Type))
		e.key("output").text(o.Text)
		e.logprobs(o.Logprobs)
		e.end('}')
	})
	e.end('}')
}

// logprobs are left out where they were not asked for, as everything optional is in the
// answers of steering.
func (e *encoder) logprobs(tokens []engine.TokenLogprob) {
	if tokens == nil {
		return
	}
	choice := func(token string, logprob float32) {
		e.begin('{')
		e.key("token").text(token)
		e.key("logprob").number32(logprob)
	}
	array(e.key("logprobs"), tokens, func(t engine.TokenLogprob) {
		choice(t.Token, t.Logprob)
		array(e.key("topLogprobs"), t.Top, func(o engine.TokenChoice) {
			choice(o.Token, o.Logprob)
			e.end('}')
		})
		e.end('}')
	})
}

func (s *Server) steerHealth(c echo.Context, _ schema.Values) error {
	return reply(c, func(e *encoder) { e.health(s.service.Health()) })
}

// health has snake_case keys in the reference, too. The cache of keys and values lies in main
// memory, so the figures of a GPU are zero.
func (e *encoder) health(h engine.Health) {
	const mebi = 1 << 20
	percent := 0.0
	if h.SystemTotal > 0 {
		percent = 100 * float64(h.SystemUsed) / float64(h.SystemTotal)
	}
	e.begin('{')
	e.key("stats").begin('{')
	e.key("timestamp").number(float64(h.Time.UnixMicro()) / 1e6)
	e.key("num_running_requests").integer(h.Running)
	e.key("num_waiting_requests").integer(h.Waiting)
	e.zeros("num_swapped_requests")
	e.key("gpu_cache_usage_percent").number(0)
	e.key("cpu_cache_usage_percent").number(h.CachePercent)
	e.key("system_ram_used_mb").number(float64(h.SystemUsed) / mebi)
	e.key("system_ram_total_mb").number(float64(h.SystemTotal) / mebi)
	e.key("system_ram_percent").number(percent)
	e.key("process_ram_mb").number(float64(h.ProcessMemory) / mebi)
	e.nulls("gpu_stats")
	e.key("active_threads").integer(len(h.Threads))
	e.key("thread_names").texts(h.Threads)
	e.key("pending_tasks").integer(h.Tasks)
	e.key("engine_initialized").boolean(h.Ready)
	e.key("model_name").text(h.Model)
	e.end('}')
	e.key("summary").text(healthSummary(h, percent))
	e.end('}')
}

func healthSummary(h engine.Health, percent float64) string {
	const mebi = 1 << 20
	state := "NOT INITIALIZED"
	if h.Ready {
		state = "INITIALIZED"
	}
	return strings.Join([]string{
		"=== npinf Health Stats @ " + h.Time.Format(time.TimeOnly) + " ===",
		fmt.Sprintf("Engine: %s | Model: %s", state, h.Model),
		fmt.Sprintf("Requests: running=%d, waiting=%d, swapped=0", h.Running, h.Waiting),
		fmt.Sprintf("KV Cache: GPU=0.0%%, CPU=%.1f%%", h.CachePercent),
		fmt.Sprintf("RAM: process=%dMB, system=%d/%dMB (%.1f%%)", h.ProcessMemory/mebi, h.SystemUsed/mebi, h.SystemTotal/mebi, percent),
		fmt.Sprintf("Threads: %d | Async tasks: %d", len(h.Threads), h.Tasks),
	}, "\n")
}
