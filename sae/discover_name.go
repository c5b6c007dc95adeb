package sae

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// name gives every row found the id that requests will call it by.
func (s *search) name(ctx context.Context) error {
	if err := s.nameNative(ctx); err != nil {
		return err
	}
	bases := map[string]int{}
	for _, row := range s.found.Rows {
		bases[s.baseOf(row)]++
	}
	seen := map[string]string{}
	for i := range s.found.Rows {
		row := &s.found.Rows[i]
		if row.Source == "" {
			row.Source = s.baseOf(*row)
			if row.Dialect != "sae_lens" || bases[row.Source] > 1 {
				row.Source = dashed(row.Path, row.Source)
			}
		}
		row.Set = SetOf(row.Source)
		if other, twice := seen[row.Source]; twice {
			return fmt.Errorf("%s and %s are both called %s; name one of them with --sae", other, row.Path, row.Source)
		}
		seen[row.Source] = row.Path
	}
	return nil
}

// baseOf is the name of a source's folder or file.
func (s *search) baseOf(row Row) string {
	if row.Path == "." {
		return path.Base(strings.TrimRight(s.Name, "/"))
	}
	return path.Base(row.Path)
}

// dashed makes an id of a path; base stands for the top folder.
func dashed(at, base string) string {
	if at == "." {
		return base
	}
	for _, ending := range []string{".sae.pt", ".pt", ".pth", ".safetensors"} {
		at = strings.TrimSuffix(at, ending)
	}
	return strings.ReplaceAll(at, "/", "-")
}

// nameNative reads the ids that sources in SAELens' format state themselves.
func (s *search) nameNative(ctx context.Context) error {
	var configs []string
	for _, row := range s.found.Rows {
		if row.Dialect == "sae_lens" && row.Source == "" {
			configs = append(configs, path.Join(row.Path, nativeConfig))
		}
	}
	if s.Fetch != nil && len(configs) > 1 {
		if err := s.Fetch(ctx, configs); err != nil {
			return err
		}
	}
	for i := range s.found.Rows {
		row := &s.found.Rows[i]
		if row.Dialect != "sae_lens" || row.Source != "" {
			continue
		}
		id, err := s.statedID(ctx, path.Join(row.Path, nativeConfig))
		if err != nil {
			return err
		}
		if slash := strings.LastIndexByte(id, '/'); slash >= 0 {
			row.NeuronpediaModel, row.Source = id[:slash], id[slash+1:]
		}
	}
	return nil
}

// statedID reads the neuronpedia id of a configuration in SAELens' format; "" for none.
func (s *search) statedID(ctx context.Context, file string) (string, error) {
	data, release, err := s.Read(ctx, file)
	if err != nil {
		return "", fmt.Errorf("file %s: %w", file, err)
	}
	defer release()
	var config struct {
		NeuronpediaID any `json:"neuronpedia_id"`
		Metadata      struct {
			NeuronpediaID any `json:"neuronpedia_id"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("file %s: %w", file, err)
	}
	if id, stated := config.Metadata.NeuronpediaID.(string); stated && id != "" {
		return id, nil
	}
	id, _ := config.NeuronpediaID.(string)
	return id, nil
}
