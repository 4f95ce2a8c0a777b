// Runs a Verilated harness under cocotb, with the clock in C++.
//
// cocotb's own main leaves the clock to a timer of the procedural interface, which costs more per cycle than a small
// model does. Here the clock is a port that this loop toggles, and while the harness's `free_run` is set and `irq` is
// not, the loop does nothing else: no callback can be due but the next timer, whose deadline is known.
//
// Otherwise each edge is a time step with the same regions as cocotb's main: value changes are announced before the
// model is evaluated, so a coroutine that wakes at RisingEdge(clk) reads what was there before the edge and what it
// drives changes after it.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"

#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif

extern "C" void vlog_startup_routines_bootstrap(void);

namespace {

constexpr vluint64_t kHalfPeriod = 5;
vluint64_t now = 0;

void settle() {
    while (VerilatedVpi::callValueCbs()) {
    }
}

class Simulation {
  public:
    Simulation() : top_{new Vtop{""}} { top_->clk = 0; }

    void trace(const char* file) {
#if VM_TRACE
        Verilated::traceEverOn(true);
        trace_.reset(new Trace);
        top_->trace(trace_.get(), 99);
        trace_->open(file);
#else
        std::fprintf(stderr, "built without waveforms: %s\n", file);
#endif
    }

    void run() {
        Verilated::fatalOnVpiError(false);
        vlog_startup_routines_bootstrap();
        VerilatedVpi::callCbs(cbStartOfSimulation);
        settle();
        while (!Verilated::gotFinish()) {
            time_step();
            if (top_->free_run && !top_->irq) free_run();
            advance();
        }
        top_->final();
        VerilatedVpi::callCbs(cbEndOfSimulation);
#if VM_TRACE
        if (trace_) trace_->close();
#endif
    }

  private:
    // Evaluate until neither the model nor cocotb has more to do at this time.
    void time_step() {
        do {
            do {
                top_->eval_step();
                VerilatedVpi::clearEvalNeeded();
                VerilatedVpi::doInertialPuts();
                settle();
            } while (VerilatedVpi::evalNeeded());
            VerilatedVpi::callCbs(cbReadWriteSynch);
            VerilatedVpi::doInertialPuts();
            settle();
        } while (VerilatedVpi::evalNeeded());
        top_->eval_end_step();
        VerilatedVpi::callCbs(cbReadOnlySynch);
        dump();
    }

    // On to the next edge or timer, whichever is first, and announce it.
    void advance() {
        now = std::min<vluint64_t>(VerilatedVpi::cbNextDeadline(), next_edge_);
        VerilatedVpi::callCbs(cbNextSimTime);
        settle();
        if (now == next_edge_) {
            top_->clk = !top_->clk;
            next_edge_ += kHalfPeriod;
            settle();
        }
        VerilatedVpi::callTimedCbs();
        settle();
    }

    // Clock the model until `irq`, stopping short of the next timer.
    void free_run() {
        const vluint64_t deadline = VerilatedVpi::cbNextDeadline();
        while (!top_->irq && next_edge_ < deadline && !Verilated::gotFinish()) {
            now = next_edge_;
            top_->clk = !top_->clk;
            next_edge_ += kHalfPeriod;
            top_->eval_step();
            dump();
        }
        top_->eval_end_step();
        settle();
    }

    void dump() {
#if VM_TRACE
        if (trace_) trace_->dump(now);
#endif
    }

    std::unique_ptr<Vtop> top_;
    vluint64_t next_edge_ = kHalfPeriod;
#if VM_TRACE
    std::unique_ptr<Trace> trace_;
#endif
};

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    Simulation simulation;
    const char* waves = Verilated::commandArgsPlusMatch("waves=");
    if (*waves) simulation.trace(std::strchr(waves, '=') + 1);
    simulation.run();
    return Verilated::threadContextp()->errorCount() ? 1 : 0;
}
