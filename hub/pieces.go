package hub

import "sync"

// pieces counts how much of each piece of one file has arrived. A piece fills from its front, so one number tells it all.
type pieces struct {
	size  int64 // of the file
	piece int64 // of every piece but the last
	grown chan struct{}

	mu   sync.Mutex
	have []int64
	full int                               // the first full pieces, counted
	save func(index int, have int64) error // keeps a count across runs; nil for memory
}

func newPieces(size, piece int64) *pieces {
	return &pieces{size: size, piece: piece, grown: make(chan struct{}, 1), have: make([]int64, (size+piece-1)/piece)}
}

func (p *pieces) count() int { return len(p.have) }

// bounds gives the first byte of a piece and the one after its last.
func (p *pieces) bounds(index int) (start, end int64) {
	start = int64(index) * p.piece
	return start, min(start+p.piece, p.size)
}

func (p *pieces) arrived(index int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have[index]
}

// add says that bytes [from, to) of the file are stored, and returns how many of them are news. They lie in one piece.
func (p *pieces) add(from, to int64) (int64, error) {
	index := int(from / p.piece)
	start, _ := p.bounds(index)
	p.mu.Lock()
	defer p.mu.Unlock()
	news := to - start - p.have[index]
	if news <= 0 || from-start > p.have[index] {
		return 0, nil
	}
	p.have[index] = to - start
	select {
	case p.grown <- struct{}{}:
	default: // the verifier has not looked since the last one
	}
	if p.save == nil {
		return news, nil
	}
	return news, p.save(index, to-start)
}

// total is the number of bytes that have arrived.
func (p *pieces) total() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var total int64
	for _, have := range p.have {
		total += have
	}
	return total
}

// prefix is the number of bytes that have arrived without a gap from the front.
func (p *pieces) prefix() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.full < len(p.have) {
		start, end := p.bounds(p.full)
		if start+p.have[p.full] < end {
			return start + p.have[p.full]
		}
		p.full++
	}
	return p.size
}
