// The accelerator and its memory: what the simulator runs and cocotb drives.
//
// The control registers, the interrupt and the reset are ports. The memory is `dram` (deterministic, loaded and read
// back in bulk), or with AXIRAM defined nothing: then the AXI signals are left for cocotb to answer.
//
// Under Verilator main.cpp drives the clock, from C++. Icarus has no main of ours, so there the clock is made here.
//
//   free_run  A promise of the bench: until `irq` rises or its timer expires it looks at nothing and drives nothing.
//             main.cpp then steps the model without asking the procedural interface at every edge.
//   dump      A rising edge writes the memory to the file named by +dram_dump (see dram.v).

`timescale 1ns/1ns

module harness #(
    parameter DATA_BYTES = 16,
    parameter DRAM_WORDS = 1 << 20
) (
`ifndef __ICARUS__
    input             clk,
`endif
    input             rst,
    input             free_run,
    input             dump,
    output            irq,

    input      [11:0] s_axil_awaddr,
    input       [2:0] s_axil_awprot,
    input             s_axil_awvalid,
    output            s_axil_awready,
    input      [31:0] s_axil_wdata,
    input       [3:0] s_axil_wstrb,
    input             s_axil_wvalid,
    output            s_axil_wready,
    output      [1:0] s_axil_bresp,
    output            s_axil_bvalid,
    input             s_axil_bready,
    input      [11:0] s_axil_araddr,
    input       [2:0] s_axil_arprot,
    input             s_axil_arvalid,
    output            s_axil_arready,
    output     [31:0] s_axil_rdata,
    output      [1:0] s_axil_rresp,
    output            s_axil_rvalid,
    input             s_axil_rready
);

`ifdef __ICARUS__
  reg clk = 0;
  always #5 clk = ~clk;

  reg [8*1024-1:0] waves;
  initial if ($value$plusargs("waves=%s", waves)) begin
    $dumpfile(waves);
    $dumpvars(0, harness);
  end
`endif

  // What answers the accelerator is driven by `dram`, or by cocotb.
`ifdef AXIRAM
  `define ANSWER reg
`else
  `define ANSWER wire
`endif

  wire                       m_axi_fetch_arid;
  wire                [31:0] m_axi_fetch_araddr;
  wire                 [7:0] m_axi_fetch_arlen;
  wire                 [2:0] m_axi_fetch_arsize;
  wire                 [1:0] m_axi_fetch_arburst;
  wire                       m_axi_fetch_arlock;
  wire                 [3:0] m_axi_fetch_arcache;
  wire                 [2:0] m_axi_fetch_arprot;
  wire                 [3:0] m_axi_fetch_arqos;
  wire                       m_axi_fetch_arvalid;
  `ANSWER                    m_axi_fetch_arready;
  `ANSWER                    m_axi_fetch_rid;
  `ANSWER [8*DATA_BYTES-1:0] m_axi_fetch_rdata;
  `ANSWER              [1:0] m_axi_fetch_rresp;
  `ANSWER                    m_axi_fetch_rlast;
  `ANSWER                    m_axi_fetch_rvalid;
  wire                       m_axi_fetch_rready;

  wire                       m_axi_data_arid;
  wire                [31:0] m_axi_data_araddr;
  wire                 [7:0] m_axi_data_arlen;
  wire                 [2:0] m_axi_data_arsize;
  wire                 [1:0] m_axi_data_arburst;
  wire                       m_axi_data_arlock;
  wire                 [3:0] m_axi_data_arcache;
  wire                 [2:0] m_axi_data_arprot;
  wire                 [3:0] m_axi_data_arqos;
  wire                       m_axi_data_arvalid;
  `ANSWER                    m_axi_data_arready;
  `ANSWER                    m_axi_data_rid;
  `ANSWER [8*DATA_BYTES-1:0] m_axi_data_rdata;
  `ANSWER              [1:0] m_axi_data_rresp;
  `ANSWER                    m_axi_data_rlast;
  `ANSWER                    m_axi_data_rvalid;
  wire                       m_axi_data_rready;

  wire                       m_axi_data_awid;
  wire                [31:0] m_axi_data_awaddr;
  wire                 [7:0] m_axi_data_awlen;
  wire                 [2:0] m_axi_data_awsize;
  wire                 [1:0] m_axi_data_awburst;
  wire                       m_axi_data_awlock;
  wire                 [3:0] m_axi_data_awcache;
  wire                 [2:0] m_axi_data_awprot;
  wire                 [3:0] m_axi_data_awqos;
  wire                       m_axi_data_awvalid;
  `ANSWER                    m_axi_data_awready;
  wire    [8*DATA_BYTES-1:0] m_axi_data_wdata;
  wire      [DATA_BYTES-1:0] m_axi_data_wstrb;
  wire                       m_axi_data_wlast;
  wire                       m_axi_data_wvalid;
  `ANSWER                    m_axi_data_wready;
  `ANSWER                    m_axi_data_bid;
  `ANSWER              [1:0] m_axi_data_bresp;
  `ANSWER                    m_axi_data_bvalid;
  wire                       m_axi_data_bready;

  // A register of our own: everything in the accelerator depends on its reset, and while that is an input of the top
  // module, Verilator computes everything anew whenever it is called, at both edges of the clock.
  reg reset = 1;
  always @(posedge clk) reset <= rst;

  accelerator accelerator (.*, .rst(reset));

`ifndef AXIRAM
  dram #(.DATA_BYTES(DATA_BYTES), .WORDS(DRAM_WORDS)) dram (.*, .rst(reset));
`endif

endmodule
