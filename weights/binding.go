package weights

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// harmless lists patterns (as in path.Match, a name's dots read as slashes) of tensors
// that released files carry although no model computes with them: causal masks and
// rotary tables that old versions of the reference library saved as buffers.
var harmless = []string{
	"h/*/attn/bias", "h/*/attn/masked_bias", // GPT-2, GPT-J
	"h/*/attn/attention/bias", "h/*/attn/attention/masked_bias", // GPT-Neo
	"layers/*/attention/bias", "layers/*/attention/masked_bias", // GPT-NeoX
	"layers/*/attention/rotary_emb/inv_freq", "layers/*/self_attn/rotary_emb/inv_freq",
	"h/*/self_attention/rotary_emb/inv_freq", "h/*/self_attention/maybe_rotary/inv_freq",
	"rotary_emb/inv_freq",
}

// Binding hands out the tensors of a store and remembers everything that is wrong, so
// that one error can name it all.
type Binding struct {
	store     *Store
	used      map[string]bool
	missing   []string
	misshaped []string
	refused   []string
	ignored   []string
}

// Bind starts a binding. Tensors whose names start with one of the ignored prefixes need
// no user: the vision tower of a model whose text half is loaded.
func (s *Store) Bind(ignored ...string) *Binding {
	return &Binding{store: s, used: map[string]bool{}, ignored: ignored}
}

// Prefix returns the first candidate under which the store holds name, else the first
// candidate. Released files differ in what they put in front: "", "model.",
// "transformer.", "language_model.model.".
func (b *Binding) Prefix(name string, candidates ...string) string {
	for _, candidate := range candidates {
		if b.store.Has(candidate + name) {
			return candidate
		}
	}
	return candidates[0]
}

// Has reports whether the store holds name.
func (b *Binding) Has(name string) bool { return b.store.Has(name) }

// Drop says that a tensor was copied: the file's pages need not stay in memory beside it.
func (b *Binding) Drop(t Tensor) { b.store.Drop(t) }

// Take returns a tensor that must have the given shape. ok is false when it has not; the
// reason is part of Finish's error.
func (b *Binding) Take(name string, shape ...int) (tensor Tensor, ok bool) {
	tensor, ok = b.store.tensors[name]
	if !ok {
		b.missing = append(b.missing, name)
		return Tensor{}, false
	}
	b.used[name] = true
	if !slices.Equal(tensor.Shape, shape) {
		b.misshaped = append(b.misshaped, fmt.Sprintf("%s is %v, want %v", name, tensor.Shape, shape))
		return Tensor{}, false
	}
	return tensor, true
}

// Ignore marks a tensor as known and not needed.
func (b *Binding) Ignore(name string) { b.used[name] = true }

// Refuse records that a tensor cannot be used, such as for its dtype.
func (b *Binding) Refuse(err error) { b.refused = append(b.refused, err.Error()) }

// Finish returns one error naming every missing, mis-shaped, unusable and unused tensor,
// or nil when there is none.
func (b *Binding) Finish() error {
	var parts []string
	for _, group := range []struct {
		title string
		names []string
	}{
		{"missing", b.missing}, {"of the wrong shape", b.misshaped}, {"unusable", b.refused}, {"unused", b.unused()},
	} {
		if len(group.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(group.names), group.title, strings.Join(group.names, ", ")))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New("the weights do not fit config.json; tensors " + strings.Join(parts, "; "))
}

func (b *Binding) unused() []string {
	var names []string
	for name := range b.store.tensors {
		if !b.used[name] && !b.isHarmless(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (b *Binding) isHarmless(name string) bool {
	for _, prefix := range b.ignored {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	parts := strings.Split(name, ".")
	for _, pattern := range harmless {
		length := strings.Count(pattern, "/") + 1
		if length > len(parts) {
			continue
		}
		if matched, _ := path.Match(pattern, strings.Join(parts[len(parts)-length:], "/")); matched {
			return true
		}
	}
	return false
}

// shorten joins names, naming at most twenty.
func shorten(names []string) string {
	if len(names) <= 20 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:20], ", "), len(names)-20)
}
