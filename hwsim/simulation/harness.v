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

  // Variables, not nets: either `dram` drives what answers the accelerator, or cocotb does.
  logic                    m_axi_fetch_arid;
  logic             [31:0] m_axi_fetch_araddr;
  logic              [7:0] m_axi_fetch_arlen;
  logic              [2:0] m_axi_fetch_arsize;
  logic              [1:0] m_axi_fetch_arburst;
  logic                    m_axi_fetch_arlock;
  logic              [3:0] m_axi_fetch_arcache;
  logic              [2:0] m_axi_fetch_arprot;
  logic              [3:0] m_axi_fetch_arqos;
  logic                    m_axi_fetch_arvalid;
  logic                    m_axi_fetch_arready;
  logic                    m_axi_fetch_rid;
  logic [8*DATA_BYTES-1:0] m_axi_fetch_rdata;
  logic              [1:0] m_axi_fetch_rresp;
  logic                    m_axi_fetch_rlast;
  logic                    m_axi_fetch_rvalid;
  logic                    m_axi_fetch_rready;

  logic                    m_axi_data_arid;
  logic             [31:0] m_axi_data_araddr;
  logic              [7:0] m_axi_data_arlen;
  logic              [2:0] m_axi_data_arsize;
  logic              [1:0] m_axi_data_arburst;
  logic                    m_axi_data_arlock;
  logic              [3:0] m_axi_data_arcache;
  logic              [2:0] m_axi_data_arprot;
  logic              [3:0] m_axi_data_arqos;
  logic                    m_axi_data_arvalid;
  logic                    m_axi_data_arready;
  logic                    m_axi_data_rid;
  logic [8*DATA_BYTES-1:0] m_axi_data_rdata;
  logic              [1:0] m_axi_data_rresp;
  logic                    m_axi_data_rlast;
  logic                    m_axi_data_rvalid;
  logic                    m_axi_data_rready;

  logic                    m_axi_data_awid;
  logic             [31:0] m_axi_data_awaddr;
  logic              [7:0] m_axi_data_awlen;
  logic              [2:0] m_axi_data_awsize;
  logic              [1:0] m_axi_data_awburst;
  logic                    m_axi_data_awlock;
  logic              [3:0] m_axi_data_awcache;
  logic              [2:0] m_axi_data_awprot;
  logic              [3:0] m_axi_data_awqos;
  logic                    m_axi_data_awvalid;
  logic                    m_axi_data_awready;
  logic [8*DATA_BYTES-1:0] m_axi_data_wdata;
  logic   [DATA_BYTES-1:0] m_axi_data_wstrb;
  logic                    m_axi_data_wlast;
  logic                    m_axi_data_wvalid;
  logic                    m_axi_data_wready;
  logic                    m_axi_data_bid;
  logic              [1:0] m_axi_data_bresp;
  logic                    m_axi_data_bvalid;
  logic                    m_axi_data_bready;

  accelerator accelerator (.*);

`ifndef AXIRAM
  dram #(.DATA_BYTES(DATA_BYTES), .WORDS(DRAM_WORDS)) dram (.*);
`endif

endmodule
