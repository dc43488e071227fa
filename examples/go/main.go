// Ranks from Go: starts `edge-rerank serve` and calls it, a line of JSON each way.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

type item struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

type server struct {
	in   io.WriteCloser
	out  *bufio.Reader
	next int
}

// call asks for one method; result may be nil.
func (s *server) call(method string, params, result any) error {
	s.next++
	call := map[string]any{"jsonrpc": "2.0", "id": s.next, "method": method, "params": params}
	if err := json.NewEncoder(s.in).Encode(call); err != nil {
		return err
	}
	answer := struct {
		Result any
		Error  *struct{ Message string }
	}{Result: result}
	line, err := s.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &answer)
	}
	if err == nil && answer.Error != nil {
		err = errors.New(answer.Error.Message)
	}
	return err
}

func main() {
	command := exec.Command(os.Args[1], os.Args[2:]...)
	in, _ := command.StdinPipe()
	out, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		panic(err)
	}
	s := &server{in: in, out: bufio.NewReaderSize(out, 1<<20)}
	items := []item{{"mars", "New pictures from the surface of Mars"}, {"bread", "How to bake bread"}}
	var ranking struct{ Items []item }
	if err := s.call("rank", map[string]any{"items": items, "query": "baking"}, &ranking); err != nil {
		panic(err)
	}
	fmt.Println(ranking.Items[0].ID)
	in.Close()
	command.Wait()
}
