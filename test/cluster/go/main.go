// One binary for the whole control plane: the name by which it is called chooses the command, so symlinks are enough.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// A server of a test cluster must not outlive the process that started it, however that one ends.
func dieWithParent() {
	if os.Getenv("ZENITH_DIE_WITH_PARENT") == "" {
		return
	}
	const prSetPdeathsig = 1
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGKILL), 0)
}

func main() {
	commands := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllermanager.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
	name := filepath.Base(os.Args[0])
	switch {
	case name == "etcd":
		dieWithParent()
		etcdmain.Main(os.Args)
	case name == "kubectl":
		if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
			os.Exit(cmdExit(err))
		}
	case commands[name] != nil:
		dieWithParent()
		os.Exit(cli.Run(commands[name]()))
	default:
		fmt.Fprintf(os.Stderr, "call this binary as etcd, kubectl, kube-apiserver, kube-controller-manager or kube-scheduler, not %q\n", name)
		os.Exit(2)
	}
}

// kubectl prints its own errors; plugins and diffs end with a code that callers read.
func cmdExit(err error) int {
	if coded, ok := err.(interface{ ExitStatus() int }); ok {
		return coded.ExitStatus()
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return 1
}
