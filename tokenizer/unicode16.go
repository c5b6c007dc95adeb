package tokenizer

// newer lists the characters that the reference's tables (Unicode 16) classify and Go's
// (Unicode 15) do not yet know. Measured by splitting every code point with the reference.
var newer = []struct {
	first, last rune
	class       class
}{
	{0x897, 0x897, upper | lower | mark},
	{0x1c89, 0x1c89, letter | upper},
	{0x1c8a, 0x1c8a, letter | lower},
	{0xa7cb, 0xa7cc, letter | upper},
	{0xa7cd, 0xa7cd, letter | lower},
	{0xa7da, 0xa7da, letter | upper},
	{0xa7db, 0xa7db, letter | lower},
	{0xa7dc, 0xa7dc, letter | upper},
	{0x105c0, 0x105f3, letter | upper | lower},
	{0x10d40, 0x10d49, number},
	{0x10d4a, 0x10d4f, letter | upper | lower},
	{0x10d50, 0x10d65, letter | upper},
	{0x10d69, 0x10d6d, upper | lower | mark},
	{0x10d6f, 0x10d6f, letter | upper | lower},
	{0x10d70, 0x10d85, letter | lower},
	{0x10ec2, 0x10ec4, letter | upper | lower},
	{0x10efc, 0x10efc, upper | lower | mark},
	{0x11380, 0x11389, letter | upper | lower},
	{0x1138b, 0x1138b, letter | upper | lower},
	{0x1138e, 0x1138e, letter | upper | lower},
	{0x11390, 0x113b5, letter | upper | lower},
	{0x113b7, 0x113b7, letter | upper | lower},
	{0x113b8, 0x113c0, upper | lower | mark},
	{0x113c2, 0x113c2, upper | lower | mark},
	{0x113c5, 0x113c5, upper | lower | mark},
	{0x113c7, 0x113ca, upper | lower | mark},
	{0x113cc, 0x113d0, upper | lower | mark},
	{0x113d1, 0x113d1, letter | upper | lower},
	{0x113d2, 0x113d2, upper | lower | mark},
	{0x113d3, 0x113d3, letter | upper | lower},
	{0x113e1, 0x113e2, upper | lower | mark},
	{0x116d0, 0x116e3, number},
	{0x11bc0, 0x11be0, letter | upper | lower},
	{0x11bf0, 0x11bf9, number},
	{0x11f5a, 0x11f5a, upper | lower | mark},
	{0x13460, 0x143fa, letter | upper | lower},
	{0x16100, 0x1611d, letter | upper | lower},
	{0x1611e, 0x1612f, upper | lower | mark},
	{0x16130, 0x16139, number},
	{0x16d40, 0x16d6c, letter | upper | lower},
	{0x16d70, 0x16d79, number},
	{0x18cff, 0x18cff, letter | upper | lower},
	{0x1ccf0, 0x1ccf9, number},
	{0x1e5d0, 0x1e5ed, letter | upper | lower},
	{0x1e5ee, 0x1e5ef, upper | lower | mark},
	{0x1e5f0, 0x1e5f0, letter | upper | lower},
	{0x1e5f1, 0x1e5fa, number},
	{0x2ebf0, 0x2ee5d, letter | upper | lower},
}

// newerClass returns the class of a character found in newer; ok is false for all others.
func newerClass(r rune) (c class, ok bool) {
	for i := range newer {
		if newer[i].first <= r && r <= newer[i].last {
			return newer[i].class, true
		}
	}
	return 0, false
}
