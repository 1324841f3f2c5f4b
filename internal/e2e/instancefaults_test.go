package e2e

import "testing"

// Of three instances one is killed and another told to stop: their clients go
// on at the third, and at the two when those are back and the third is killed.
func TestInstancesEnd(t *testing.T) {
	t.Parallel()
	d := startFleet(t)
	urls := []string{d.url()}
	load, locks := startLoad(t, urls), startContention(t, urls)
	first, second, third := d.instances[0], d.instances[1], d.instances[2]
	load.calm("before")
	load.during("one is killed, one is stopped", func() {
		first.Kill()
		if err := second.Stop(); err != nil {
			t.Errorf("the instance that was told to stop: %v\n%s", err, second.Log())
		}
		pause(nil, phaseTime())
		load.mustGoOn()
	})
	first.Start()
	second.Start()
	load.during("the third is killed", func() {
		third.Kill()
		load.mustGoOn()
	})
	third.Start()
	load.calm("after")
	locks.finish()
	locks.checkExclusive()
	load.finish()
}
