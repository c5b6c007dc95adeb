package engine

import (
	"context"
	"slices"
	"sync"
)

// residency keeps loaded values by id, at most limit of them: the least recently used one
// goes first, and never one that is in use. Each value is loaded once however many requests
// ask for it at the same time, and nobody waits for a value he did not ask for.
type residency[V any] struct {
	limit int
	load  func(ctx context.Context, id string) (V, error)
	drop  func(V)
	bytes func(V) int64
	// life ends with the residency; loads run under it and not under one request's context,
	// because others may wait for the same value.
	life context.Context

	mu       sync.Mutex
	resident map[string]*occupant[V]
	order    []string // resident ids, least recently used first
	loading  map[string]*arrival[V]
	stats    CacheStatistics
}

// occupant is a resident value with its number of users.
type occupant[V any] struct {
	value V
	users int
}

// arrival is a load under way; done is closed when it ended. value and err may be read then.
type arrival[V any] struct {
	done    chan struct{}
	waiters int // they become the users
	value   V
	err     error
}

func newResidency[V any](life context.Context, limit int, load func(context.Context, string) (V, error),
	drop func(V), bytes func(V) int64) *residency[V] {
	return &residency[V]{limit: limit, load: load, drop: drop, bytes: bytes, life: life,
		resident: map[string]*occupant[V]{}, loading: map[string]*arrival[V]{}}
}

// acquire gives the value of id, loading it when needed, and makes it the most recently
// used. The value stays resident until release is called.
func (r *residency[V]) acquire(ctx context.Context, id string) (value V, release func(), err error) {
	release = sync.OnceFunc(func() { r.release(id) })
	r.mu.Lock()
	if o, ok := r.resident[id]; ok {
		r.touch(id)
		o.users++
		r.stats.Hits++
		r.mu.Unlock()
		return o.value, release, nil
	}
	r.stats.Misses++
	a := r.arrivalOf(id)
	r.mu.Unlock()
	select {
	case <-a.done:
		if a.err != nil {
			return value, nil, a.err
		}
		return a.value, release, nil
	case <-ctx.Done():
		r.leave(id, a)
		return value, nil, ctx.Err()
	}
}

// arrivalOf joins the load of id or starts it. The lock is held.
func (r *residency[V]) arrivalOf(id string) *arrival[V] {
	a, ok := r.loading[id]
	if !ok {
		a = &arrival[V]{done: make(chan struct{})}
		r.loading[id] = a
		go r.arrive(id, a)
	}
	a.waiters++
	return a
}

func (r *residency[V]) arrive(id string, a *arrival[V]) {
	value, err := r.load(r.life, id)
	r.mu.Lock()
	delete(r.loading, id)
	a.value, a.err = value, err
	if err == nil {
		r.resident[id] = &occupant[V]{value: value, users: a.waiters}
		r.order = append(r.order, id)
		r.stats.ResidentBytes += r.bytes(value)
		r.stats.ResidentCount++
	}
	evicted := r.overflow()
	close(a.done)
	r.mu.Unlock()
	r.dropAll(evicted)
}

// leave takes a waiter that lost patience out of an arrival that may just have ended.
func (r *residency[V]) leave(id string, a *arrival[V]) {
	r.mu.Lock()
	select {
	case <-a.done:
		r.mu.Unlock()
		if a.err == nil {
			r.release(id)
		}
	default:
		a.waiters--
		r.mu.Unlock()
	}
}

func (r *residency[V]) release(id string) {
	r.mu.Lock()
	r.resident[id].users--
	evicted := r.overflow()
	r.mu.Unlock()
	r.dropAll(evicted)
}

// overflow takes out the oldest idle values while there are too many.
func (r *residency[V]) overflow() []V {
	var evicted []V
	for i := 0; i < len(r.order) && len(r.order) > r.limit; {
		id := r.order[i]
		if r.resident[id].users > 0 {
			i++
			continue
		}
		evicted = append(evicted, r.remove(id))
		r.stats.Evictions++
	}
	return evicted
}

func (r *residency[V]) remove(id string) V {
	value := r.resident[id].value
	delete(r.resident, id)
	at := slices.Index(r.order, id)
	r.order = slices.Delete(r.order, at, at+1)
	r.stats.ResidentBytes -= r.bytes(value)
	r.stats.ResidentCount--
	return value
}

// touch makes id the most recently used.
func (r *residency[V]) touch(id string) {
	at := slices.Index(r.order, id)
	r.order = append(slices.Delete(r.order, at, at+1), id)
}

func (r *residency[V]) dropAll(values []V) {
	for _, value := range values {
		r.drop(value)
	}
}

// statistics counts what is resident.
func (r *residency[V]) statistics() CacheStatistics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// residents lists the ids of what is resident, least recently used first.
func (r *residency[V]) residents() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.order)
}

// close waits for loads under way, which end with life, and drops everything. No value may
// be in use.
func (r *residency[V]) close() {
	for {
		r.mu.Lock()
		var pending *arrival[V]
		for _, a := range r.loading {
			pending = a
		}
		if pending == nil {
			break
		}
		r.mu.Unlock()
		<-pending.done
	}
	var values []V
	for len(r.order) > 0 {
		values = append(values, r.remove(r.order[0]))
	}
	r.mu.Unlock()
	r.dropAll(values)
}
