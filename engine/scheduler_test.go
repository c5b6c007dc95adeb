package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"npinf/model"
)

// TestPlan: every sequence that generates gets its row in every step, prompts take turns in
// what is left, and no step is longer than the limit.
func TestPlan(t *testing.T) {
	config, _ := tinyConfig(t)
	w := loadTiny(t, config).world.Load()
	newTask := func(tokens int) *task {
		return &task{ctx: t.Context(), tokens: make([]int, tokens), cache: w.model.NewCache(0)}
	}
	generating := newTask(5)
	if err := w.scheduler.forward([]turn{{generating, sequenceOf(generating)}}); err != nil {
		t.Fatal(err)
	}
	generating.tokens = []int{1}
	long, short, single := newTask(300), newTask(100), newTask(1)
	turns, waiting := plan([]*task{long, generating, short, single})
	if got := rowsOf(turns); got != "128 1" || len(waiting) != 2 || waiting[0] != short {
		t.Errorf("first step: rows %s, %d wait", got, len(waiting))
	}
	turns, waiting = plan([]*task{short, single, long, generating})
	if got := rowsOf(turns); got != "100 1 27 1" || len(waiting) != 0 {
		t.Errorf("second step: rows %s, %d wait", got, len(waiting))
	}
	for _, c := range []*task{generating, long, short, single} {
		c.cache.Release()
	}
}

func sequenceOf(t *task) *model.Sequence { return &model.Sequence{Tokens: t.tokens, Cache: t.cache} }

func rowsOf(turns []turn) string {
	text := ""
	for i, t := range turns {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprint(len(t.sequence.Tokens))
	}
	return text
}

// TestPanicOfAStepIsAnError: whoever asked is told of a defect, the log of its place, and the
// loop lives on.
func TestPanicOfAStepIsAnError(t *testing.T) {
	config, counting := tinyConfig(t)
	broken := atomic.Bool{}
	config.Device = &watchingDevice{Device: counting, during: func() {
		if broken.Load() {
			panic("spoilt")
		}
	}}
	e := loadTiny(t, config)
	s := steering(3)
	s.Features, s.Vectors = nil, []SteerVector{}
	for _, defect := range []bool{true, false} {
		broken.Store(defect)
		_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "Once", Steering: s}, nil)
		if !defect && err != nil {
			t.Errorf("after the panic: %v", err)
		}
		var known *Error
		if defect && (!errors.As(err, &known) || known.Code != Internal || strings.Contains(known.Message, "spoilt") ||
			!strings.Contains(known.Cause.Error(), "spoilt") || !strings.Contains(known.Cause.Error(), "scheduler_test.go")) {
			t.Errorf("got %#v", err)
		}
	}
}

// TestCancellationStopsAtTheNextLayer: when all callers have gone, the pass goes on for the
// layer it is in and no further.
func TestCancellationStopsAtTheNextLayer(t *testing.T) {
	config, counting := tinyConfig(t)
	device := &watchingDevice{Device: counting}
	config.Device = device
	e := loadTiny(t, config)
	mustSteer(t, e, "warm", steering(1)) // loads the source
	before := counting.outstanding.Load()
	ctx, cancel := context.WithCancel(t.Context())
	attentions := atomic.Int64{}
	device.during = func() {
		if attentions.Add(1) == 2*2*tinyLayers+1 { // the first of the third step, after two of two sequences
			cancel()
			time.Sleep(20 * time.Millisecond) // the news arrive on goroutines of their own
		}
	}
	s := steering(40)
	_, err := e.SteerCompletion(ctx, SteerRequest{Prompt: "Once", Steering: s}, nil)
	var known *Error
	if !errors.As(err, &known) || known.Code != Canceled {
		t.Errorf("got %v", err)
	}
	if ran := attentions.Load() - 2*2*tinyLayers; ran != 2 {
		t.Errorf("%d attentions ran in the step of the cancellation, want those of one layer, 2", ran)
	}
	if after := counting.outstanding.Load(); after != before {
		t.Errorf("%d buffers were not given back", after-before)
	}
}

// TestOthersGoOn: a caller who leaves does not disturb those in the same batch.
func TestOthersGoOn(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	want := mustSteer(t, e, "Other", steering(30))
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			frames := 0
			got, err := e.SteerCompletion(ctx, SteerRequest{Prompt: "Other", Steering: steering(30)}, func(SteerFrame) error {
				if frames++; i%2 == 0 && frames == i+1 {
					cancel()
				}
				return nil
			})
			if i%2 == 0 {
				return
			}
			if err != nil || got.Outputs[0].Text != want.Outputs[0].Text || got.Outputs[1].Text != want.Outputs[1].Text {
				t.Errorf("caller %d: %+v (%v), want %+v", i, got, err, want)
			}
		})
	}
	all.Wait()
}

// TestMixedLoad runs generations and activations at the same time; afterwards no goroutine
// and no buffer is left.
func TestMixedLoad(t *testing.T) {
	config, device := tinyConfig(t)
	config.CacheBytes = 40 * 64 * 2 * 2 * tinyWidth * 4
	e := loadTiny(t, config)
	single := func() error {
		_, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{"abc"}, Source: pointer("1-res"), Index: pointer("2")})
		return err
	}
	if err := single(); err != nil {
		t.Fatal(err)
	}
	mustSteer(t, e, "warm", steering(2))
	buffers, goroutines := device.outstanding.Load(), runtime.NumGoroutine()
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*3*time.Millisecond)
			defer cancel()
			if i%3 > 0 {
				ctx = t.Context()
			}
			s := steering(5 + i)
			s.Temperature = float64(i % 2)
			_, err := e.SteerCompletion(ctx, SteerRequest{Prompt: fmt.Sprint("prompt", i), Steering: s}, nil)
			if err != nil && ctx.Err() == nil {
				t.Errorf("generation %d: %v", i, err)
			}
			if err := single(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w := e.world.Load()
	for range 200 { // the last goroutines end just after their results are there
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if left := runtime.NumGoroutine(); left > goroutines {
		t.Errorf("%d goroutines, %d before", left, goroutines)
	}
	if left := device.outstanding.Load(); left != buffers {
		t.Errorf("%d buffers, %d before", left, buffers)
	}
	if used, _, waiting := w.scheduler.memory.state(); used != 0 || waiting != 0 || w.scheduler.active.Load() != 0 {
		t.Errorf("%d bytes are taken, %d wait", used, waiting)
	}
}

// TestSharedSteps: clients at the same time share the steps, so weights are read once.
func TestSharedSteps(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	s := steering(40)
	s.Features, s.Vectors = nil, []SteerVector{}
	w := e.world.Load()
	w.stops = map[int]bool{}
	mustSteer(t, e, "a", s)
	if steps := w.scheduler.steps.Load(); steps != 40 {
		t.Errorf("both types took %d steps, want those of one, 40", steps)
	}
}

func TestMemoryInOrder(t *testing.T) {
	m := newMemory(100)
	first, err := m.claim(t.Context(), 80, 0)
	if err != nil {
		t.Fatal(err)
	}
	var known *Error
	if _, err := m.claim(t.Context(), 30, time.Millisecond); !errors.As(err, &known) || known.Code != Unavailable || known.RetryAfter <= 0 {
		t.Errorf("without memory: %v", err)
	}
	order := make(chan string, 2)
	wait := func(name string, bytes int64, others int) {
		go func() {
			release, err := m.claim(t.Context(), bytes, 0)
			if err != nil {
				t.Error(err)
				return
			}
			order <- name
			release()
		}()
		for _, _, waiting := m.state(); waiting <= others; _, _, waiting = m.state() {
			time.Sleep(time.Millisecond)
		}
	}
	wait("huge", 1000, 0) // more than there is: when nobody else holds any
	wait("small", 10, 1)  // would fit, but came later
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := m.claim(gone, 50, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after leaving: %v", err)
	}
	first()
	first() // twice is once
	if a, b := <-order, <-order; a != "huge" || b != "small" {
		t.Errorf("served %s before %s", a, b)
	}
	for used, _, _ := m.state(); used != 0; used, _, _ = m.state() {
		time.Sleep(time.Millisecond)
	}
}

// TestGenerationsAreAdmitted: more requests than may wait are refused with a time to come back.
func TestGenerationsAreAdmitted(t *testing.T) {
	config, counting := tinyConfig(t)
	device := &watchingDevice{Device: counting}
	config.Device = device
	config.MaxGenerations, config.MaxQueued = 1, 1
	e := loadTiny(t, config)
	entered, proceed := make(chan bool, 1), make(chan bool)
	var once sync.Once
	device.during = func() { once.Do(func() { entered <- true; <-proceed }) }
	var all sync.WaitGroup
	all.Go(func() { mustSteer(t, e, "a", steering(2)) })
	<-entered
	all.Go(func() { mustSteer(t, e, "b", steering(2)) })
	for e.Health().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if h := e.Health(); h.Running != 1 || h.Waiting != 1 || !(h.CachePercent > 0) || !h.Ready {
		t.Errorf("health %+v", h)
	}
	_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "c", Steering: steering(2)}, nil)
	var known *Error
	if !errors.As(err, &known) || known.Code != Unavailable || known.RetryAfter <= 0 {
		t.Errorf("got %v", err)
	}
	close(proceed)
	all.Wait()
}

// TestFailedStep: a pass that panics fails its requests and not the process.
func TestFailedStep(t *testing.T) {
	config, counting := tinyConfig(t)
	device := &watchingDevice{Device: counting}
	config.Device = device
	e := loadTiny(t, config)
	device.during = func() { panic("broken") }
	_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "a", Steering: steering(2)}, nil)
	var known *Error
	if !errors.As(err, &known) || known.Code != Internal {
		t.Errorf("got %v", err)
	}
	device.during = nil
	mustSteer(t, e, "a", steering(2))
}
