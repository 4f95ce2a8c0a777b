// The same Verilated model that cocotb drives, from a main of its own: what the simulation costs without cocotb.
//
// Takes the plusargs of dram.v, and +program=, +program_length=, +window_base=, +window_bytes= in decimal.
// Prints "<edges> <seconds>" of the clock between the write that starts the accelerator and its interrupt.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

namespace {

Vtop* top;
unsigned long long edges = 0;

void tick() {
    top->clk = 1;
    top->eval();
    top->clk = 0;
    top->eval();
    edges += 2;
}

void write_register(unsigned address, unsigned value) {
    top->s_axil_awaddr = address;
    top->s_axil_wdata = value;
    top->s_axil_wstrb = 15;
    top->s_axil_awvalid = top->s_axil_wvalid = 1;
    while (top->s_axil_awvalid || top->s_axil_wvalid) {
        top->eval();
        const bool address_taken = top->s_axil_awready, data_taken = top->s_axil_wready;
        tick();
        if (address_taken) top->s_axil_awvalid = 0;
        if (data_taken) top->s_axil_wvalid = 0;
    }
    while (!top->s_axil_bvalid) tick();
    tick();
}

unsigned argument(const char* name) {
    const char* match = Verilated::commandArgsPlusMatch(name);
    return *match ? std::strtoul(std::strchr(match, '=') + 1, nullptr, 10) : 0;
}

}  // namespace

double sc_time_stamp() { return 0; }

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    // Gone before Verilator's own static objects, whose destructors it would wait for.
    const std::unique_ptr<Vtop> model{new Vtop{""}};
    top = model.get();
    top->free_run = top->dump = 0;
    top->s_axil_bready = top->s_axil_rready = 1;
    top->s_axil_awvalid = top->s_axil_wvalid = top->s_axil_arvalid = 0;
    top->rst = 1;
    for (int i = 0; i < 4; ++i) tick();
    top->rst = 0;
    tick();
    write_register(0x20, argument("program="));
    write_register(0x24, argument("program_length="));
    write_register(0x28, argument("window_base="));
    write_register(0x2c, argument("window_bytes="));
    edges = 0;
    const auto start = std::chrono::steady_clock::now();
    write_register(0x10, 1);
    while (!top->irq) tick();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%llu %.9f\n", edges, seconds.count());
    top->final();
    return 0;
}
