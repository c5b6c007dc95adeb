package sae

import "testing"

func TestModern(t *testing.T) {
	for version, want := range map[string]bool{
		"": false, "5.9.1": false, "6.0.0-rc.0": true, "6.0.0-rc.5": true, "6.0.0rc1": true, "6.0.0-alpha.1": false,
		"6.0.0": true, "6.3.0": true, "6.1.0-alpha.1": true, "10.0.0": true, "nonsense": false,
	} {
		if got := modern(map[string]any{"metadata": map[string]any{"sae_lens_version": version}}); got != want {
			t.Errorf("modern(%s) = %v", version, got)
		}
	}
}

func TestLayerOf(t *testing.T) {
	for hook, want := range map[string]int{
		"blocks.12.hook_resid_post": 12, "blocks.3": 3, "hook_embed": -1, "blocks.5.ln2.hook_normalized": 5, "a.b2.c": -1,
		"blocks.99999999999999999999.x": -1,
	} {
		if got := layerOf(hook); got != want {
			t.Errorf("layerOf(%s) = %d, want %d", hook, got, want)
		}
	}
}
