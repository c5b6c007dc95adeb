package hubtest

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// Place is a kind of request that a fault can strike.
type Place int

// The places of faults.
const (
	Anywhere Place = iota
	API            // questions about a repository
	Resolve        // the hub's answer to a file's URL, before the bytes
	Content        // the answer with the bytes, on the hub or on the file server
)

// Fault makes requests go wrong.
type Fault struct {
	On    Place
	Path  string // part of the URL path; "" for all
	Times int    // so many requests; 0 for all
	Do    Effect

	struck int
}

// Effect changes one answer.
type Effect func(*reply)

// reply is what an answer is going to be.
type reply struct {
	status      int // instead of the content
	header      http.Header
	body        string
	ignoreRange bool
	cut, stall  int64 // body bytes before the connection drops or falls silent; -1 for never
	flip        int64 // offset in the file of a byte to spoil; -1 for none
	longer      int64 // added to Content-Length
	pause       time.Duration
	pauseEvery  int
	since       int // the number of Forgets before it
}

// Inject adds a fault. The first one that matches a request and has strikes left takes effect.
func (h *Hub) Inject(fault Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, &fault)
}

func (h *Hub) strike(on Place, path string) *reply {
	answer := &reply{header: http.Header{}, cut: -1, stall: -1, flip: -1}
	h.mu.Lock()
	defer h.mu.Unlock()
	answer.since = h.forgets
	for _, fault := range h.faults {
		if (fault.On == Anywhere || fault.On == on) && strings.Contains(path, fault.Path) && (fault.Times == 0 || fault.struck < fault.Times) {
			fault.struck++
			fault.Do(answer)
			break
		}
	}
	return answer
}

// Cut drops the connection after so many bytes of the body.
func Cut(after int64) Effect { return func(r *reply) { r.cut = after } }

// Stall sends so many bytes of the body and then nothing more.
func Stall(after int64) Effect { return func(r *reply) { r.stall = after } }

// Flip spoils the byte at an offset of the file.
func Flip(offset int64) Effect { return func(r *reply) { r.flip = offset } }

// IgnoreRange answers 200 with the whole file.
func IgnoreRange() Effect { return func(r *reply) { r.ignoreRange = true } }

// Longer adds to the Content-Length without adding to the body; a negative count cuts the body short with it.
func Longer(bytes int64) Effect { return func(r *reply) { r.longer = bytes } }

// Slow pauses after every so many bytes.
func Slow(bytes int, pause time.Duration) Effect {
	return func(r *reply) { r.pauseEvery, r.pause = bytes, pause }
}

// Status answers with a failure instead; header may be nil.
func Status(status int, header map[string]string, body string) Effect {
	return func(r *reply) {
		r.status, r.body = status, body
		for name := range maps.Keys(header) {
			r.header.Set(name, header[name])
		}
	}
}

// RateLimit answers 429 and says that the quota renews in so many seconds.
func RateLimit(seconds string) Effect {
	return Status(http.StatusTooManyRequests, map[string]string{"RateLimit": `"resolvers";r=0;t=` + seconds}, "")
}

// All does one effect after another to the same answer.
func All(effects ...Effect) Effect {
	return func(r *reply) {
		for _, effect := range effects {
			effect(r)
		}
	}
}
