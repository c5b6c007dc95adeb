package model

import (
	"errors"
	"fmt"
)

// checkBatch refuses a batch that cannot be run, before anything is computed.
func (m *Model) checkBatch(batch []*Sequence) error {
	for i, s := range batch {
		for _, other := range batch[:i] {
			if s.Cache != nil && s.Cache == other.Cache {
				return errors.New("two sequences of a batch share a cache")
			}
		}
		if err := m.checkSequence(s); err != nil {
			if len(batch) > 1 {
				return fmt.Errorf("sequence %d: %w", i, err)
			}
			return err
		}
	}
	return nil
}

func (m *Model) checkSequence(s *Sequence) error {
	if len(s.Tokens) == 0 {
		return errors.New("a sequence needs at least one token")
	}
	for _, id := range s.Tokens {
		if id < 0 || id >= m.arch.vocabulary {
			return fmt.Errorf("token id %d is out of range; the vocabulary has %d", id, m.arch.vocabulary)
		}
	}
	total := len(s.Tokens)
	if s.Cache != nil {
		total += s.Cache.length
	}
	if m.arch.embedding.positions != nil && total > m.arch.maxPositions {
		return fmt.Errorf("%d tokens are too long for this model; it has %d positions", total, m.arch.maxPositions)
	}
	for _, tap := range s.Taps {
		if err := m.checkTap(tap, len(s.Tokens)); err != nil {
			return err
		}
	}
	for i := range s.Edits {
		if err := m.arch.checkEdit(s.Edits[i].Address); err != nil {
			return err
		}
	}
	return m.checkCache(s)
}

func (m *Model) checkTap(tap *Tap, rows int) error {
	row, b, err := m.arch.lookup(tap.Address)
	if err != nil {
		return err
	}
	for _, r := range tap.Rows {
		if r < 0 || r >= rows {
			return fmt.Errorf("row %d of %s is out of range; the sequence has %d new tokens", r, tap.Address, rows)
		}
	}
	if row.width == nil && (tap.Head < -1 || tap.Head >= b.attention.heads) {
		return fmt.Errorf("head %d of %s is out of range; this model has %d heads (0-%d)",
			tap.Head, tap.Address, b.attention.heads, b.attention.heads-1)
	}
	return nil
}

// checkCache refuses work that a partial cache does not reach.
func (m *Model) checkCache(s *Sequence) error {
	if s.Cache == nil || s.Cache.depth == len(m.arch.blocks) {
		return nil
	}
	if reach := depth(s.Cache.depth-1, atMLP, len(m.arch.blocks)); m.needOf(s) > reach {
		return fmt.Errorf("the cache keeps %d layers, but taps or logits of its sequence lie deeper", s.Cache.depth)
	}
	return nil
}
