package model

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"

	"npinf/kernels"
)

// mxfp4Block is the number of inputs that share a scale.
const mxfp4Block = 32

// e2m1 is the table of the 4-bit floats: sign, two bits of exponent, one of fraction.
var e2m1 = [16]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, math.Copysign(0, -1), -0.5, -1, -1.5, -2, -3, -4, -6}

// mxfp4 is one matrix of every expert of a layer, in the checkpoint's own quarter of the
// space: blocks [experts, out, in/32, 16] of two values a byte, low half first, and scales
// [experts, out, in/32] of exponent + 127.
type mxfp4 struct {
	blocks, scales  []byte
	out, groups, in int
}

// bytes is the memory of all experts' matrices.
func (m mxfp4) bytes() int64 { return int64(len(m.blocks) + len(m.scales)) }

// pairs maps a byte of a block to its two values as bfloat16, which holds every one of
// them exactly, for one exponent.
type pairs [256]uint32

func newPairs(exponent int) *pairs {
	half := func(nibble int) uint32 {
		return math.Float32bits(float32(math.Ldexp(e2m1[nibble], exponent))) >> 16
	}
	table := new(pairs)
	for i := range table {
		table[i] = half(i&15) | half(i>>4)<<16
	}
	return table
}

// widen writes some rows of an expert's matrix to dst as bfloat16, in the given order.
func (m mxfp4) widen(dst []byte, expert int, rows []int) {
	parts := max(1, min(runtime.GOMAXPROCS(0), len(rows)/64))
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() {
			var tables [256]*pairs
			for i := len(rows) * part / parts; i < len(rows)*(part+1)/parts; i++ {
				m.widenRow(dst[2*i*m.in:2*(i+1)*m.in], expert*m.out+rows[i], &tables)
			}
		})
	}
	group.Wait()
}

func (m mxfp4) widenRow(dst []byte, row int, tables *[256]*pairs) {
	const packed = mxfp4Block / 2
	for group := range m.groups {
		at := row*m.groups + group
		scale := m.scales[at]
		if tables[scale] == nil {
			tables[scale] = newPairs(int(scale) - 127)
		}
		table, wide := tables[scale], dst[2*mxfp4Block*group:2*mxfp4Block*(group+1)]
		for i, pair := range m.blocks[at*packed : (at+1)*packed] {
			binary.LittleEndian.PutUint32(wide[4*i:], table[pair])
		}
	}
}

// packedExperts are a layer's experts as MXFP4. Nobody computes with them as they are: an
// expert that a row chose is widened, and the cache keeps it for the next rows.
type packedExperts struct {
	gateUp, down  mxfp4
	exact         bool  // as the rest of the weights, which are float32
	gates, ups    []int // rows of gateUp
	all           []int // rows of down
	cache         *expertCache
	width, output int // inner width, d_model
}

// mlp widens one expert into a copy of its description, in memory of the given buffer.
func (p *packedExperts) mlp(device kernels.Device, described *mlp, expert int, memory []byte) *mlp {
	size := 2 * p.width * p.output
	wide := *described
	place := func(from *linear, m mxfp4, data []byte, rows []int) *linear {
		m.widen(data, expert, rows)
		weight, err := device.LoadWeight(kernels.HostMatrix{Data: data, DType: kernels.BF16, Out: len(rows), In: m.in, Borrow: true, MayRound: !p.exact})
		if err != nil {
			panic(fmt.Sprintf("expert %d of %s: %v", expert, from.name, err)) // the sizes were checked at load
		}
		to := *from
		to.weight = weight
		return &to
	}
	wide.gate = place(described.gate, p.gateUp, memory[:size], p.gates)
	wide.up = place(described.up, p.gateUp, memory[size:2*size], p.ups)
	wide.down = place(described.down, p.down, memory[2*size:3*size], p.all)
	return &wide
}

// memory is the bytes of a widened expert.
func (p *packedExperts) memory() int { return 6 * p.width * p.output }

// expert returns one expert ready to compute with. release must be called after that.
func (e *experts) expert(device kernels.Device, index int) (m *mlp, release func()) {
	described := &e.each[index]
	if e.packed == nil {
		return described, func() {}
	}
	entry := e.packed.cache.acquire(described, e.packed.memory())
	entry.once.Do(func() { entry.wide = e.packed.mlp(device, described, index, entry.data) })
	return entry.wide, func() { e.packed.cache.release(entry) }
}

// defaultExpertCache is the memory for widened experts when nobody says how much there is.
const defaultExpertCache = 1 << 30

// expertCache keeps the widened experts of all layers that were used last, as far as the
// limit goes. Those in use always stay, so that the smallest limit still computes.
type expertCache struct {
	limit int64

	mu      sync.Mutex
	held    int64
	order   *list.List // of *widenedExpert, the least recently used first
	entries map[*mlp]*list.Element
	spare   [][]byte // memory of an expert that went, for the next one
	widened int64    // how many were made, for tests
}

// widenedExpert is an expert in the cache. wide may be read after once.
type widenedExpert struct {
	described *mlp
	data      []byte
	users     int
	once      sync.Once
	wide      *mlp
}

func newExpertCache(limit int64) *expertCache {
	if limit <= 0 {
		limit = defaultExpertCache
	}
	return &expertCache{limit: limit, order: list.New(), entries: map[*mlp]*list.Element{}}
}

func (c *expertCache) acquire(described *mlp, bytes int) *widenedExpert {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, known := c.entries[described]
	if !known {
		c.held += int64(bytes)
		c.shrink()
		element = c.order.PushBack(&widenedExpert{described: described, data: c.take(bytes)})
		c.entries[described] = element
		c.widened++
	}
	c.order.MoveToBack(element)
	entry := element.Value.(*widenedExpert)
	entry.users++
	return entry
}

func (c *expertCache) release(entry *widenedExpert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.users--
	c.shrink()
}

// shrink takes out idle experts while there is more than the limit. The lock is held.
func (c *expertCache) shrink() {
	for element := c.order.Front(); element != nil && c.held > c.limit; {
		entry, next := element.Value.(*widenedExpert), element.Next()
		if entry.users == 0 {
			c.order.Remove(element)
			delete(c.entries, entry.described)
			c.held -= int64(len(entry.data))
			if len(c.spare) == 0 {
				c.spare = append(c.spare, entry.data)
			}
		}
		element = next
	}
}

// take reuses spare memory, so that experts that come and go leave nothing to collect.
func (c *expertCache) take(bytes int) []byte {
	if n := len(c.spare); n > 0 && len(c.spare[n-1]) == bytes {
		data := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return data
	}
	return make([]byte, bytes)
}
