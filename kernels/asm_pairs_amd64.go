package kernels

// The kernels for rows rounded to bfloat16; see panelArgs and dotArgs for the arguments.

//go:noescape
func panelPairs8x32(args *panelArgs)

//go:noescape
func panelPairs8x16(args *panelArgs)

//go:noescape
func dotPairs1(args *dotArgs)

//go:noescape
func dotPairs4(args *dotArgs)

//go:noescape
func roundPairs(dst *uint16, src *float32, n int)

// pairsLoop is for Calibrate only.
func pairsLoop(n int)
