//go:build verify

package recovery_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// fault is a deliberate mistake in the arithmetic: right, which stands once in
// the file, becomes wrong.
type fault struct{ name, file, right, wrong string }

var faults = []fault{
	{"sum drops its last carry", "field.go", "element{a + -carry&fold, b, c, d}", "element{a, b, c, d}"},
	{"difference drops its last borrow", "field.go", "element{a - -borrow&fold, b, c, d}", "element{a, b, c, d}"},
	{"half drops its carry", "field.go", "d>>1 | carry<<63", "d >> 1"},
	{"product drops a carry", "field.go", "r5, _ := bits.Add64(h3, 0, carry)", "r5 := h3"},
	{"square drops a carry", "field.go", "r7, _ := bits.Add64(0, 0, carry)", "r7 := uint64(0)"},
	{"reduction drops a carry", "field.go", "over, _ := bits.Add64(h3, 0, carry)", "over := h3"},
	{"reduction drops its last carry", "field.go", "b, _ = bits.Add64(b, 0, carry)\n\treturn element", "return element"},
	{"normal form forgets p to 2^256-1", "field.go", "if carry == 1 {", "if carry == 2 {"},
	{"p does not count as zero", "field.go", "return x == element{} || x == prime", "return x == element{}"},
	{"p is wrong", "field.go", "1<<32 + 977", "1<<32 + 979"},
	{"power is off by one square", "root.go", "squares(y, 4+2)", "squares(y, 4+1)"},
	{"root is not checked", "root.go", "return y, difference.isZero()", "return y, !difference.isZero() || true"},
	{"sign of a product of words", "inverse.go", "uint64(x>>63&y) + uint64(y>>63&x)", "uint64(x >> 63 & y)"},
	{"sign of an inverse", "inverse.go", "if f[4] < 0 {", "if f[4] > 0 {"},
	{"residue stops early", "inverse.go", "if less[4] < 0 {", "if less[4] < 0 || m != nil {"},
	{"residue of a negative number", "inverse.go", "for x[4] < 0 {", "if x[4] < -1 {"},
	{"division steps are applied with q and r exchanged", "inverse.go", "matrix{u, v, q, r}", "matrix{u, v, r, q}"},
	{"2^256-n is wrong", "scalar.go", "0x402da1732fc9bebf, 0x4551231950b75fc4, 1}\n\n// read", "0x402da1732fc9bebe, 0x4551231950b75fc4, 1}\n\n// read"},
	{"product of scalars drops a carry", "scalar.go", "carry = high + c\n", "carry = high\n"},
	{"scalars from n are not reduced", "scalar.go", "if below == 1 {", "if below <= 1 {"},
	{"quotient is not rounded", "split.go", "x[5]>>63", "0"},
	{"beta is wrong", "split.go", "0xc1396c28719501ee", "0xc1396c28719501ef"},
	{"lattice is wrong", "split.go", "0x6f547fa90abfe4c3", "0x6f547fa90abfe4c5"},
	{"digits drop a carry", "split.go", "high += carry", "high += carry &^ 1"},
	{"digits lose a sign", "split.go", "digit = -digit", "digit = +digit"},
	{"slope's sign is exchanged", "point.go", "r = sub(mul(q.y, mul(zq, zz)), p.y)", "r = sub(p.y, mul(q.y, mul(zq, zz)))"},
	{"double's x", "point.go", "sub(square(m), add(s, s))", "sub(square(m), s)"},
	{"no doubling in a sum", "point.go", "h.isZero() && r.isZero()", "h.isZero() && !r.isZero()"},
	{"opposite points are doubled", "point.go", "h.isZero() && r.isZero()", "h.isZero()"},
	{"opposite of a multiple", "multiples.go", "q.y = sub(element{}, q.y)", ""},
	{"G is added in the other curve's scale", "combine.go", "p.add(&q, mul(p.z, factor))", "p.add(&q, p.z)"},
	{"sum stays on the other curve", "combine.go", "sum.z = mul(sum.z, factor)", ""},
	{"R is added to infinity", "combine.go", "if p.isInfinity() {\n\t\t*p", "if p == nil {\n\t\t*p"},
	{"y's parity", "recovery.go", "y.isOdd() != odd", "y.isOdd() == odd"},
	{"r+n may reach p", "recovery.go", "if _, below := subLimbs(r, primeMinusOrder); below == 0 {", "if r == primeMinusOrder {"},
	{"e keeps its sign", "recovery.go", "e.times(w).negate()", "e.times(w)"},
	{"infinity is a key", "recovery.go", "if sum.isInfinity() {", "if false {"},
}

// Each fault is caught by the other tests: they build, and fail. Without a fault
// they pass.
func TestFaults(t *testing.T) {
	if out, err := test(t, fault{"none", "field.go", "package recovery", "package recovery"}); err != nil {
		t.Fatalf("without a fault: %v\n%s", err, out)
	}
	limit := make(chan struct{}, 2)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			limit <- struct{}{}
			defer func() { <-limit }()
			if out, err := test(t, f); err == nil {
				t.Errorf("no test failed:\n%s", out)
			}
		})
	}
}

// test runs the other tests on the package with a fault.
func test(t *testing.T, f fault) (output []byte, err error) {
	t.Helper()
	source, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	if count := bytes.Count(source, []byte(f.right)); count != 1 {
		t.Fatalf("%q stands %d times in %s: name the place anew", f.right, count, f.file)
	}
	dir := t.TempDir()
	faulty := filepath.Join(dir, f.file)
	write(t, faulty, bytes.Replace(source, []byte(f.right), []byte(f.wrong), 1))
	original, err := filepath.Abs(f.file)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: faulty}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), overlay)

	binary := filepath.Join(dir, "faulty.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("does not build: %v\n%s", err, out)
	}
	// A fault may never end. It is the processor's time that counts: on a busy machine an
	// hour of the clock says nothing.
	return exec.Command("sh", "-c", `ulimit -t 120; exec "$0" -test.failfast -test.timeout 0 -inputs 300 -symmetric 240`, binary).CombinedOutput()
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
