// What Argo CD does with an object, by the libraries that it uses: run a Lua script on it, as health checks and actions are, or take
// away what ignoreDifferences names by jq. The object comes by standard input, as JSON; so does the answer go out.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/itchyny/gojq"
	lua "github.com/yuin/gopher-lua"
)

func main() {
	if len(os.Args) < 3 {
		fail("call it with: lua SCRIPT, or: ignore JQ-PATH ...")
	}
	var object any
	if err := json.NewDecoder(os.Stdin).Decode(&object); err != nil {
		fail(err.Error())
	}
	var answer any
	switch os.Args[1] {
	case "lua":
		answer = runLua(os.Args[2], object)
	case "ignore":
		answer = object
		for _, path := range os.Args[2:] {
			answer = without(path, answer)
		}
	default:
		fail(os.Args[1] + " is neither lua nor ignore")
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fail(err.Error())
	}
}

func without(path string, object any) any {
	query, err := gojq.Parse("del(" + path + ")")
	if err != nil {
		fail(err.Error())
	}
	answer, _ := query.Run(object).Next()
	if err, failed := answer.(error); failed {
		fail(err.Error())
	}
	return answer
}

func runLua(path string, object any) any {
	script, err := os.ReadFile(path)
	if err != nil {
		fail(err.Error())
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// As Argo CD, which gives scripts neither files nor processes.
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			fail(err.Error())
		}
	}
	// Of the operating system scripts get the time, and nothing else.
	clock := state.NewTable()
	state.SetField(clock, "time", state.NewFunction(func(l *lua.LState) int { l.Push(lua.LNumber(1770000000)); return 1 }))
	state.SetField(clock, "date", state.NewFunction(func(l *lua.LState) int { l.Push(lua.LString("2026-02-02T02:40:00Z")); return 1 }))
	state.SetGlobal("os", clock)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(string(script)); err != nil {
		fail(err.Error())
	}
	return toJSON(state.Get(-1))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, member := range value {
			table.RawSetString(key, toLua(state, member))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, member := range value {
			table.Append(toLua(state, member))
		}
		return table
	case string:
		return lua.LString(value)
	case float64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	}
	return lua.LNil
}

// A table with a first element is a list; an empty one is an object.
func toJSON(value lua.LValue) any {
	switch value := value.(type) {
	case *lua.LTable:
		if value.Len() > 0 {
			list := make([]any, 0, value.Len())
			value.ForEach(func(_, member lua.LValue) { list = append(list, toJSON(member)) })
			return list
		}
		object := map[string]any{}
		value.ForEach(func(key, member lua.LValue) { object[lua.LVAsString(key)] = toJSON(member) })
		return object
	case lua.LString:
		return string(value)
	case lua.LNumber:
		return float64(value)
	case lua.LBool:
		return bool(value)
	}
	return nil
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
