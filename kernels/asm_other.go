//go:build !amd64

package kernels

// haveAssembly says that this build has no assembly routines: the generic path is the
// only one, and nothing below is ever called.
const haveAssembly = false

func (c *CPU) pack(Buffer, DType) packedRows { panic("no vector path in this build") }

func (c *CPU) fill(*tile, *packedRows, *Weight, *scratch) { panic("no vector path in this build") }

func havePairs() bool { return false }

func (c *CPU) packPairs(Buffer) packedRows { panic("no vector path in this build") }

func (c *CPU) fillPairs(*tile, *packedRows, *Weight, *scratch) { panic("no vector path in this build") }

func storeBlocks(Buffer, *tile, Buffer, bool, int) int { panic("no vector path in this build") }

func maxBlocks([]float32, *tile) int { panic("no vector path in this build") }

func activateVector(_, _ []float32, _ Activation) { panic("no vector path in this build") }

func softcapVector(_, _ []float32, _ float32) { panic("no vector path in this build") }

func addRow(_, _, _ []float32) { panic("no vector path in this build") }

func mulRow(_, _, _ []float32) { panic("no vector path in this build") }

func (c *CPU) attendAll([]Attention) { panic("no vector path in this build") }

func normVector(_, _, _, _ []float32, _ NormKind, _ float32) { panic("no vector path in this build") }

func rotateHead(_, _, _ []float32) { panic("no vector path in this build") }

func offerRow(*top[FeatureValue], []float32) int { panic("no vector path in this build") }

func maxBlock([]float32) (float32, int) { panic("no vector path in this build") }

func expSumBlocks([]float32, float32) (float64, int) { panic("no vector path in this build") }

func transposeColumns(_, _ []float32, _, _ int) int { panic("no vector path in this build") }

func widenVector([]float32, []uint16, DType) { panic("no vector path in this build") }

func largestVector([]float32) (uint32, int) { panic("no vector path in this build") }

func quantizeVector([]int8, []float32, float32) int { panic("no vector path in this build") }

func scaleBlocks(*tile, []float32) int { panic("no vector path in this build") }

func fmaLoopAVX512(int) { panic("no vector path in this build") }

func fmaLoopAVX2(int) { panic("no vector path in this build") }

func pairsLoop(int) { panic("no vector path in this build") }

func readLoop(*byte, int) { panic("no vector path in this build") }
