// npinf is an inference server for mechanistic interpretability: it tells which sparse
// autoencoder features fire on a text, over Neuronpedia's inference API, from one file.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"npinf/internal/cli"
)

func main() { os.Exit(run()) }

// run stops what is running on the first interrupt; a second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop()
	}()
	world := &cli.World{Environment: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
	return cli.Run(ctx, world, os.Args[1:])
}
