package model

import (
	"context"
	"fmt"
	"sync"

	"npinf/kernels"
	"npinf/weights"
)

// Model is a loaded model. Nothing in it changes between Load and Close, so any number of
// goroutines may use it.
type Model struct {
	arch   *architecture
	device kernels.Device
	facts  Info

	buffers []kernels.Buffer
	weights []*kernels.Weight
	store   *weights.Store // open while weights borrow its memory, else nil
	once    sync.Once
	runs    sync.Pool // of *run, to be used again
}

// storageTypes are the values of Options.DType besides "auto".
var storageTypes = map[string]kernels.DType{"float32": kernels.F32, "bfloat16": kernels.BF16, "float16": kernels.F16}

func plan(ctx context.Context, files weights.Files) (Estimate, error) {
	c, err := readConfig(ctx, files)
	if err != nil {
		return Estimate{}, err
	}
	a, err := describe(c)
	if err != nil {
		return Estimate{}, err
	}
	estimate := Estimate{Family: a.family, Files: []string{"config.json"}}
	for _, name := range []string{"generation_config.json", "model.safetensors.index.json"} {
		if files.Has(name) && !(name == "model.safetensors.index.json" && files.Has("model.safetensors")) {
			estimate.Files = append(estimate.Files, name)
		}
	}
	names, _, err := weights.ModelFiles(ctx, files)
	if err != nil {
		return Estimate{}, err
	}
	estimate.Files = append(estimate.Files, names...)
	a.estimate(&estimate, storedDType(c), c.object("quantization_config") != nil)
	return estimate, nil
}

// estimate fills in the memory of the matrices, stored in the given type ("" for unknown),
// and of a cache. Stacked experts are packed when the checkpoint is quantized.
func (a *architecture) estimate(e *Estimate, stored string, packed bool) {
	plain, stacked := a.matrixElements()
	if storage, ok := storageTypes[stored]; ok {
		e.StoredDType = stored
		if packed {
			e.PackedBytes = stacked/2 + stacked/mxfp4Block
			stacked = 0
		}
		e.WeightBytes = e.PackedBytes + (plain+stacked)*int64(storage.Size())
		a.estimateInt8(e, storage, packed)
	}
	e.CacheSize = a.cacheSize()
}

// mostElements is more than any machine holds; counts stop there before they overflow.
const mostElements = 1 << 56

// matrixElements counts the elements of all matrices, those of stacked experts apart;
// vectors do not matter beside them.
func (a *architecture) matrixElements() (plain, stacked int64) {
	a.eachMatrix(func(l *linear, isStacked bool) {
		total := &plain
		if isStacked {
			total = &stacked
		}
		*total = min(*total+int64(l.out)*int64(l.in), mostElements)
	})
	return plain, stacked
}

// eachMatrix visits every matrix of the files once; stacked tells those of experts that lie
// in one tensor.
func (a *architecture) eachMatrix(visit func(l *linear, stacked bool)) {
	some := func(stacked bool, parts ...*linear) {
		for _, l := range parts {
			visit(l, stacked)
		}
	}
	a.eachLinear(func(l *linear) { visit(l, false) })
	for i := range a.blocks {
		if fused := a.blocks[i].attention.fused; fused != nil {
			some(false, fused)
		}
		if gated := a.blocks[i].attention.queryGate; gated != nil {
			some(false, gated)
		}
		if recurrent := a.blocks[i].recurrent; recurrent != nil && recurrent.fusedGate != "" {
			some(false, recurrent.mixed, recurrent.gate, recurrent.beta, recurrent.decay)
		}
		if e := a.blocks[i].anyExperts(); e != nil && e.stacked != nil {
			for j := range e.each {
				some(true, e.each[j].gate, e.each[j].up, e.each[j].down)
			}
		}
	}
	if !a.head.tied {
		some(false, a.head.output)
	}
}

func load(ctx context.Context, files weights.Files, options Options) (*Model, error) {
	c, err := readConfig(ctx, files)
	if err != nil {
		return nil, err
	}
	a, err := describe(c)
	if err != nil {
		return nil, err
	}
	stops, err := stopIDs(ctx, files, textConfig(c), c)
	if err != nil {
		return nil, err
	}
	b := &binder{device: options.Device, borrow: options.Borrow, experts: newExpertCache(options.ExpertBytes)}
	if options.DType != "" && options.DType != "auto" {
		wanted, ok := storageTypes[options.DType]
		if !ok {
			return nil, fmt.Errorf("dtype %q is not supported; supported: auto, %s", options.DType, joinKeys(storageTypes))
		}
		b.convert = &wanted
	}
	store, err := weights.OpenStore(ctx, files)
	if err != nil {
		return nil, err
	}
	if b.int8 = options.Int8; b.int8 && !store.Mapped() {
		options.Borrow = false // the file in memory is larger than what would stay in it
		b.borrow = false
	}
	b.Binding = store.Bind(a.ignored...)
	if err := a.bind(b); err != nil {
		releaseAll(options.Device, b.buffers)
		unloadAll(options.Device, b.weights)
		store.Close()
		return nil, err
	}
	m := &Model{arch: a, device: options.Device, buffers: b.buffers, weights: b.weights, facts: a.describeTo(b, stops)}
	if options.Borrow {
		m.store = store
	} else {
		store.Close()
	}
	return m, nil
}

// describeTo collects what callers may know.
func (a *architecture) describeTo(b *binder, stops []int) Info {
	return Info{
		Family: a.family, Layers: len(a.blocks), Width: a.width, Vocabulary: a.vocabulary,
		Heads: a.heads, KVHeads: a.kvHeads, HeadDim: a.headDim, MLPWidth: a.mlpWidth,
		MaxPositions: a.maxPositions, StopIDs: stops, StoredDType: a.storedDType(b),
		WeightBytes: b.bytes, ParameterCount: b.parameters, RMSEpsilon: a.rmsEpsilon,
		RoundsInputs: b.rounds,
	}
}

// storedDType is the type the embedding has in the file, which the rest shares.
func (a *architecture) storedDType(b *binder) string {
	tensor, _ := b.Take(b.prefix+a.embedding.tokens.name+".weight", a.embedding.tokens.out, a.embedding.tokens.in)
	storage, _ := tensor.Storage() // it was loaded, so it has one
	return storage.String()
}

func (m *Model) info() Info {
	facts := m.facts
	facts.StopIDs = append([]int(nil), facts.StopIDs...)
	return facts
}

func (m *Model) close() error {
	m.once.Do(func() {
		releaseAll(m.device, m.buffers)
		unloadAll(m.device, m.weights)
		if m.store != nil {
			m.store.Close()
		}
	})
	return nil
}

func releaseAll(device kernels.Device, buffers []kernels.Buffer) {
	for _, buffer := range buffers {
		device.Release(buffer)
	}
}

func unloadAll(device kernels.Device, weights []*kernels.Weight) {
	for _, weight := range weights {
		device.Unload(weight)
	}
}
