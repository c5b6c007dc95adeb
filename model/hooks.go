package model

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var hookPattern = regexp.MustCompile(`^blocks\.([0-9]+)\.(.+)$`)

func parseHook(name string) (Address, error) {
	match := hookPattern.FindStringSubmatch(name)
	if match == nil {
		return Address{}, fmt.Errorf("hook name %q names no layer; want blocks.<layer>.<hook>", name)
	}
	layer, err := strconv.Atoi(match[1])
	if err != nil {
		return Address{}, fmt.Errorf("hook name %q: layer %s is out of range", name, match[1])
	}
	var known []string
	for _, row := range pointTable {
		if slices.Contains(row.hooks, match[2]) {
			return Address{Point: row.point, Layer: layer}, nil
		}
		known = append(known, row.hooks...)
	}
	slices.Sort(known)
	return Address{}, fmt.Errorf("hook name %q maps to no point; known hooks are %s", name, strings.Join(known, ", "))
}
