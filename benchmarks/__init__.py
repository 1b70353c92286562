"""What the hot paths cost, as ratios against a bare baseline in the same run. `make bench`; not part of the tests."""
