// An echo server as one writes it in Go: a goroutine for every client, which blocks as far as it can
// tell; the runtime multiplexes them with epoll.
package main

import (
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			data := make([]byte, 16*1024)
			for {
				count, err := client.Read(data)
				if err != nil {
					return
				}
				if _, err := client.Write(data[:count]); err != nil {
					return
				}
			}
		}()
	}
}
