package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// stage is one step of decoding. It receives tokens one by one and passes on what is
// certain: whole decoding and decoding while tokens arrive are the same code, so that they
// cannot differ. A stage serves one stream.
type stage interface {
	push(token string, next func(string))
	flush(next func(string)) // the stream ends
}

// newStage makes a fresh stage.
type newStage func() stage

// parseDecoder builds the stages of the decoder of tokenizer.json.
func parseDecoder(raw json.RawMessage) ([]newStage, error) {
	var b decoderBuilder
	c, err := parseComponent(raw)
	if err == nil && c.kind == "" {
		return []newStage{func() stage { return &spaced{} }}, nil
	}
	if err == nil {
		err = b.add(c)
	}
	if err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return b.stages, nil
}

// decoderBuilder gathers stages. Behind Fuse or ByteLevel the whole text is one token,
// which reaches later stages in fragments.
type decoderBuilder struct {
	stages []newStage
	fused  bool
}

// gather joins the fragments again for a stage that needs its token whole. Text then comes
// only at the end of the stream; no published tokenizer asks for it.
func (b *decoderBuilder) gather() {
	if b.fused {
		b.stages = append(b.stages, func() stage { return &gathered{} })
	}
}

func (b *decoderBuilder) add(c component) error {
	switch c.kind {
	case "Sequence":
		return b.addSequence(c)
	case "ByteLevel":
		b.gather()
		b.stages = append(b.stages, func() stage { return &bytesDecoder{} })
		b.fused = true
	case "ByteFallback":
		b.gather()
		b.stages = append(b.stages, func() stage { return &byteFallback{} })
	case "Fuse":
		b.fused = true
	case "Replace":
		return b.addReplace(c)
	case "Strip":
		return b.addStrip(c)
	case "Metaspace":
		settings, err := parseMetaspace(c)
		if err != nil {
			return err
		}
		b.gather()
		b.stages = append(b.stages, func() stage { return &metaspaceDecoder{settings: settings} })
	default:
		return fmt.Errorf("%q is not supported", c.kind)
	}
	return nil
}

func (b *decoderBuilder) addSequence(c component) error {
	var settings struct{ Decoders []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return err
	}
	for _, raw := range settings.Decoders {
		part, err := parseComponent(raw)
		if err == nil {
			err = b.add(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *decoderBuilder) addReplace(c component) error {
	replace, err := parseReplace(c)
	if err != nil {
		return err
	}
	b.gather() // matches may span fragments
	b.stages = append(b.stages, func() stage { return rewrite(replace) })
	return nil
}

func (b *decoderBuilder) addStrip(c component) error {
	var settings struct {
		Content     string
		Start, Stop int
	}
	if err := c.into(&settings); err != nil {
		return err
	}
	if utf8.RuneCountInString(settings.Content) != 1 {
		return fmt.Errorf("%s: content %q is not one character", c.kind, settings.Content)
	}
	if b.fused && settings.Stop == 0 {
		b.stages = append(b.stages, func() stage { return &stripFront{settings.Content, settings.Start} })
		return nil
	}
	b.gather()
	b.stages = append(b.stages, func() stage {
		return rewrite(func(token string) string { return strip(token, settings.Content, settings.Start, settings.Stop) })
	})
	return nil
}
