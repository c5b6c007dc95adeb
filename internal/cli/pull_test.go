//go:build unix

package cli

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"npinf/internal/hubtest"
)

const pulledModel = "owner/model"

// pullFiles is a repository that npinf will download: a configuration, a tokenizer and weights
// large enough to be killed in the middle of.
func pullFiles() map[string][]byte {
	weights := make([]byte, 96<<20)
	random := rand.NewChaCha8([32]byte{7})
	random.Read(weights)
	return map[string][]byte{
		"config.json":       []byte(`{"model_type":"gpt2","n_layer":1,"n_embd":8,"n_head":2,"vocab_size":16,"n_positions":8}`),
		"tokenizer.json":    []byte(`{"version":"1.0"}`),
		"model.safetensors": weights,
	}
}

func pullCommand(t *testing.T, hub *hubtest.Hub, home string, output *bytes.Buffer) *exec.Cmd {
	command := exec.CommandContext(t.Context(), "npinf", "pull", pulledModel, "--no-saes")
	command.Env = append(os.Environ(), "HF_ENDPOINT="+hub.URL, "HF_HOME="+home, "HF_HUB_OFFLINE=", "NPINF_THREADS=1")
	command.Stdout, command.Stderr = output, output
	return command
}

// TestPullSurvivesBeingKilled kills npinf pull at ten random moments. The last run must end
// with verified files, and none of them may have fetched again what an earlier one recorded.
func TestPullSurvivesBeingKilled(t *testing.T) {
	hub := hubtest.New(t)
	files := pullFiles()
	hub.AddRepo(pulledModel, files)
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: "model.safetensors", Do: hubtest.Slow(256<<10, 2*time.Millisecond)})
	home := t.TempDir()
	for range 10 {
		var output bytes.Buffer
		command := pullCommand(t, hub, home, &output)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+rand.IntN(60)) * time.Millisecond)
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	var output bytes.Buffer
	if err := pullCommand(t, hub, home, &output).Run(); err != nil {
		t.Fatalf("%v:\n%s", err, output.String())
	}
	size := int64(len(files["model.safetensors"]))
	// A killed run loses at most what was under way: the kernel's socket buffers and the
	// part of a piece that was not recorded yet, for each of eight parallel downloads.
	if sent, most := hub.Served(pulledModel, "model.safetensors"), size+10*8*(8<<20); sent < size || sent > most {
		t.Errorf("%d bytes were sent for %d; at most %d may be", sent, size, most)
	}
	hub.Forget()
	output.Reset()
	again := pullCommand(t, hub, home, &output)
	again.Env = append(again.Env, "HF_HUB_OFFLINE=1")
	if err := again.Run(); err != nil || !strings.Contains(output.String(), "verified") {
		t.Errorf("offline afterwards: %v:\n%s", err, output.String())
	}
	if n := len(hub.Requests()); n != 0 {
		t.Errorf("%d requests offline", n)
	}
}

// TestPullTexts checks what is said before anything large is fetched, and the remedies.
func TestPullTexts(t *testing.T) {
	hub := hubtest.New(t)
	files := pullFiles()
	files["model.safetensors"] = files["model.safetensors"][:1<<20]
	hub.AddRepo(pulledModel, files)
	hub.Gate(pulledModel, "hf_right")
	for _, c := range []struct{ token, want string }{
		{"", "HF_TOKEN"},
		{"hf_wrong", "access"},
		{"hf_right", "1.0 MB to download"},
	} {
		var output bytes.Buffer
		command := pullCommand(t, hub, t.TempDir(), &output)
		command.Env = append(command.Env, "HF_TOKEN="+c.token)
		err := command.Run()
		if (err == nil) != (c.token == "hf_right") || !strings.Contains(output.String(), c.want) {
			t.Errorf("token %q: %v, want %q in:\n%s", c.token, err, c.want, output.String())
		}
		if strings.Contains(output.String(), "hf_wrong") {
			t.Errorf("the token is in the output:\n%s", output.String())
		}
	}
}
